from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from mapped_machines import HOSTILE, with_machine
from stand_in import option, run_script

from kensho.appliances.clouds.aws import device_name, render_import, render_register
from kensho.appliances.clouds.parts import one_line
from kensho.model.machine import Firmware

REPLIES = {
    "import-image": "import-ami-1",
    "describe-import-image-tasks ImportImageTasks[0].Status": "completed",
    "describe-import-image-tasks ImportImageTasks[0].ImageId": "ami-0abc",
    "import-snapshot": "import-snap-1",
    "ImportSnapshotTasks[0].SnapshotTaskDetail.Status": "completed",
    "ImportSnapshotTasks[0].SnapshotTaskDetail.SnapshotId": "snap-0abc",
    "register-image": "ami-0def",
}


def files_of(disks):
    return [disk.filename for disk in disks.values()]


def test_the_import_sends_all_disks_and_one_request(tmp_path, cloud_machine):
    appliance, disks = cloud_machine("aws", firmware=Firmware.UEFI)
    documents = render_import(appliance, disks)
    calls = run_script(
        documents, tmp_path, ["a-bucket"], tools=["aws"], files=files_of(disks), replies=REPLIES
    )
    copies = [call for call in calls if call[1:3] == ["s3", "cp"]]
    assert [call[4] for call in copies] == [
        "s3://a-bucket/web01/web01-disk1.vmdk",
        "s3://a-bucket/web01/web01-disk2.vmdk",
    ]
    (request,) = [call for call in calls if call[1:3] == ["ec2", "import-image"]]
    value = json.loads(option(request, "--cli-input-json"))
    assert value["BootMode"] == "uefi"
    assert [c["UserBucket"] for c in value["DiskContainers"]] == [
        {"S3Bucket": "a-bucket", "S3Key": "web01/web01-disk1.vmdk"},
        {"S3Bucket": "a-bucket", "S3Key": "web01/web01-disk2.vmdk"},
    ]
    (tags,) = [call for call in calls if call[2] == "create-tags"]
    assert option(tags, "--resources") == "ami-0abc"


def test_an_image_is_registered_of_snapshots(tmp_path, cloud_machine):
    appliance, disks = cloud_machine("aws", "register-image", firmware=Firmware.UEFI, tpm=True)
    documents = render_register(appliance, disks)
    calls = run_script(
        documents, tmp_path, ["a-bucket"], tools=["aws"], files=files_of(disks), replies=REPLIES
    )
    assert len([call for call in calls if call[2] == "import-snapshot"]) == 2
    (register,) = [call for call in calls if call[2] == "register-image"]
    value = json.loads(option(register, "--cli-input-json"))
    assert value["TpmSupport"] == "v2.0"
    assert value["EnaSupport"] is True
    assert value["BootMode"] == "uefi"
    mappings = value["BlockDeviceMappings"]
    assert [m["DeviceName"] for m in mappings] == ["/dev/xvda", "/dev/sdf"]
    assert {m["Ebs"]["SnapshotId"] for m in mappings} == {"snap-0abc"}


@pytest.mark.parametrize("render", [render_import, render_register])
def test_hostile_text_stays_one_argument(tmp_path, cloud_machine, render):
    appliance, disks = cloud_machine("aws", hostile=True)
    calls = run_script(
        render(appliance, disks),
        tmp_path,
        ["a-bucket"],
        tools=["aws"],
        files=files_of(disks),
        replies=REPLIES,
    )
    (tags,) = [call for call in calls if call[2] == "create-tags"]
    assert json.loads(option(tags, "--tags")) == [
        {"Key": "Name", "Value": one_line(HOSTILE)},
        {"Key": "Notes", "Value": one_line(HOSTILE)},
    ]


def test_what_is_no_bucket_stops_the_script(tmp_path, cloud_machine):
    appliance, disks = cloud_machine("aws")
    with pytest.raises(AssertionError, match="usage"):
        run_script(
            render_import(appliance, disks),
            tmp_path,
            ['x"}; rm -rf /'],
            tools=["aws"],
            files=files_of(disks),
        )


def test_device_names_are_all_different():
    names = [device_name(number) for number in range(30)]
    assert names[:2] == ["/dev/sdf", "/dev/sdg"]
    assert names[11] == "/dev/xvdba"
    assert len(set(names)) == 30


@pytest.mark.skipif(shutil.which("aws") is None, reason="needs the AWS CLI")
@pytest.mark.parametrize("operation", ["import-image", "register-image", "import-snapshot"])
def test_the_aws_cli_knows_every_field(tmp_path, cloud_machine, operation):
    # With a skeleton for output the CLI checks the request against its model and sends nothing.
    appliance, disks = cloud_machine("aws", "register-image", firmware=Firmware.UEFI, tpm=True)
    render = render_import if operation == "import-image" else render_register
    document = next(
        d
        for d in render(appliance, disks)
        if d.name.endswith(".json") and operation.removeprefix("import-") in d.name
    )
    command = ["aws", "ec2", operation, "--region", "eu-west-1"]
    command += ["--generate-cli-skeleton", "output"]
    wrong = document.data.replace(b'"Description"', b'"Descripton"', 1)
    for request, accepted in ((document.data, True), (wrong, False)):
        result = subprocess.run(
            [*command, "--cli-input-json", request.decode()],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert (result.returncode == 0) is accepted, result.stderr


def test_a_refused_snapshot_stops_the_script(tmp_path, cloud_machine):
    # Within $(…) bash forgets set -e: it went on without a task, and waited for nothing for ever.
    appliance, disks = cloud_machine("aws", "register-image")
    with pytest.raises(AssertionError):
        run_script(
            render_register(appliance, disks),
            tmp_path,
            ["a-bucket"],
            tools=["aws"],
            files=files_of(disks),
            replies=REPLIES | {"import-snapshot": "FAIL"},
        )
    assert b"describe-import-snapshot-tasks" not in (tmp_path / "calls").read_bytes()


@pytest.mark.parametrize("render", [render_import, render_register])
def test_a_name_like_a_place_of_the_request_stays(tmp_path, cloud_machine, render):
    appliance, disks = cloud_machine("aws", "register-image")
    name = '"S3Bucket": "@BUCKET@" @BUCKET@ "SnapshotId": "@SNAPSHOT1@" @SNAPSHOT1@'
    appliance = with_machine(appliance, name=name)
    calls = run_script(
        render(appliance, disks),
        tmp_path,
        ["a-bucket"],
        tools=["aws"],
        files=files_of(disks),
        replies=REPLIES,
    )
    (request,) = [c for c in calls if c[2] in {"import-image", "register-image"}]
    text = option(request, "--cli-input-json")
    assert json.loads(text)["Description"] == name
    assert text.count("@") == name.count("@")


@pytest.mark.parametrize("render", [render_import, render_register])
def test_descriptions_are_ascii_and_the_tag_has_the_name(tmp_path, cloud_machine, render):
    # EC2: "Character sets beyond ASCII are not supported", after hours of import.
    appliance, disks = cloud_machine("aws", "register-image")
    name = "Caf\u00e9 \u2014 \u65e5\u672c"
    calls = run_script(
        render(with_machine(appliance, name=name), disks),
        tmp_path,
        ["a-bucket"],
        tools=["aws"],
        files=files_of(disks),
        replies=REPLIES,
    )
    requests = [json.loads(option(c, "--cli-input-json")) for c in calls if "--cli-input-json" in c]
    assert requests[-1]["Description"] == "Cafe ? ??"
    assert all(json.dumps(r, ensure_ascii=False).isascii() for r in requests)
    (tags,) = [call for call in calls if call[2] == "create-tags"]
    assert json.loads(option(tags, "--tags"))[0]["Value"] == name
