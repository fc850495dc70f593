from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile

import pytest
import yaml
from stand_in import run_script

from kensho.appliances import open_package
from kensho.appliances.package import Document
from kensho.convert.plan import Request, make_plan
from kensho.convert.run import run_plan
from kensho.model.errors import (
    KenshoError,
    ManifestMismatchError,
    PackageError,
    TruncatedError,
    UnsafePathError,
    UnsupportedError,
)
from kensho.model.units import MIB

needs_skopeo = pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")

MANIFEST = """
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: web}
spec:
  template:
    spec:
      domain:
        cpu: {cores: 2}
        memory: {guest: 1Gi}
        firmware: {bootloader: {efi: {secureBoot: false}}}
        devices:
          disks: [{name: a, disk: {bus: virtio}}, {name: b, disk: {bus: scsi}}]
          interfaces: [{name: default, masquerade: {}, macAddress: "02:00:00:00:00:01"}]
      networks: [{name: default, pod: {}}]
      volumes:
      - {name: a, dataVolume: {name: web-a}}
      - {name: b, dataVolume: {name: web-b}}
"""


def disk(path, size, text):
    with path.open("wb") as file:
        file.write(b"\xeb\0" + text)
        file.seek(size - 4096)
        file.write(text * 8)
        file.truncate(size)


@pytest.fixture
def source(tmp_path):
    disk(tmp_path / "web-a.img", 5 * MIB, b"first")
    disk(tmp_path / "web-b.img", 3 * MIB, b"second")
    (tmp_path / "web.yaml").write_text(MANIFEST)
    return tmp_path / "web.yaml"


@pytest.fixture
def made(source, tmp_path):
    plan = make_plan(Request(str(source), "kubevirt", form="containerdisk"), out=tmp_path / "out")
    assert "KF-516" in {f.code for f in plan.findings}
    result = run_plan(plan, tmp_path / "out")
    assert result.check == "ok"
    return tmp_path / "out" / "web.oci.tar"


def blobs(path):
    with tarfile.open(path) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive.getmembers()}


def descriptors(value):
    if isinstance(value, dict):
        if "digest" in value:
            yield value
        for inner in value.values():
            yield from descriptors(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from descriptors(inner)


def test_every_digest_and_size_is_right(made):
    found = blobs(made)
    assert json.loads(found["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    seen = 0
    waiting = [json.loads(found["index.json"])]
    while waiting:
        for one in descriptors(waiting.pop()):
            data = found[one["digest"].replace(":", "/").replace("sha256", "blobs/sha256", 1)]
            assert hashlib.sha256(data).hexdigest() == one["digest"].partition(":")[2]
            assert len(data) == one["size"]
            seen += 1
            if one["mediaType"].endswith("json"):
                waiting.append(json.loads(data))
    assert seen == 4  # manifest, configuration, two layers
    config = next(json.loads(d) for d in found.values() if b'"rootfs"' in d[:4096])
    layers = [d for n, d in found.items() if n.startswith("blobs") and d[:5] == b"disk/"]
    digests = {f"sha256:{hashlib.sha256(d).hexdigest()}" for d in layers}
    assert set(config["rootfs"]["diff_ids"]) == digests


def test_disks_are_owned_by_qemu(made, tmp_path):
    layers = [d for n, d in blobs(made).items() if n.startswith("blobs") and d[:5] == b"disk/"]
    contents = {}
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            folder, file = archive.getmembers()
            assert (folder.name, folder.isdir()) == ("disk", True)
            assert (file.uid, file.gid, file.mode) == (107, 107, 0o440)
            contents[file.name] = archive.extractfile(file).read()
    assert sorted(contents) == ["disk/web-disk1.qcow2", "disk/web-disk2.qcow2"]
    if shutil.which("qemu-img"):
        for number, name in enumerate("ab", 1):
            image = tmp_path / f"{number}.qcow2"
            image.write_bytes(contents[f"disk/web-disk{number}.qcow2"])
            command = ["qemu-img", "compare", image, tmp_path / f"web-{name}.img"]
            subprocess.run(command, check=True, capture_output=True)


def test_same_input_same_bytes(source, made, tmp_path):
    plan = make_plan(Request(str(source), "kubevirt", form="containerdisk"))
    run_plan(plan, tmp_path / "again")
    assert (tmp_path / "again" / "web.oci.tar").read_bytes() == made.read_bytes()


def test_it_is_read_back_as_the_machine(source, made):
    with_source, back = open_package(source), open_package(made)
    try:
        assert back.kind == "containerdisk"
        (one,), (other,) = with_source.appliance.machines, back.appliance.machines
        for field in ("name", "cpu", "memory", "firmware"):
            assert getattr(one, field) == getattr(other, field)
        assert [n.mac for n in one.nics] == [n.mac for n in other.nics]
        assert [f.href for f in back.appliance.files] == ["web-disk1.qcow2", "web-disk2.qcow2"]
    finally:
        with_source.close()
        back.close()


@needs_skopeo
def test_skopeo_takes_it(made, tmp_path):
    result = subprocess.run(
        ["skopeo", "inspect", f"oci-archive:{made}"], check=True, capture_output=True
    )
    facts = json.loads(result.stdout)
    assert (facts["Architecture"], facts["Os"], len(facts["Layers"])) == ("amd64", "linux", 2)
    for target in ("oci:folder:latest", "docker-archive:docker.tar:web:1"):
        subprocess.run(
            ["skopeo", "copy", "--insecure-policy", f"oci-archive:{made}", target],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
    for place in (tmp_path / "folder", tmp_path / "docker.tar"):
        package = open_package(place)
        try:
            assert package.kind == "containerdisk"
            assert len(package.appliance.machines[0].disks) == 2
        finally:
            package.close()
    plan = make_plan(Request(str(tmp_path / "folder"), "kvm"), out=tmp_path / "kvm")
    assert run_plan(plan, tmp_path / "kvm").check == "ok"


@pytest.mark.skipif(shutil.which("umoci") is None, reason="needs umoci")
def test_umoci_unpacks_it(made, tmp_path):
    subprocess.run(["tar", "-xf", made, "--one-top-level=layout"], cwd=tmp_path, check=True)
    command = ["umoci", "unpack", "--rootless", "--image", "layout:latest", "bundle"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    files = sorted(p.name for p in (tmp_path / "bundle/rootfs/disk").iterdir())
    assert files == ["web-disk1.qcow2", "web-disk2.qcow2"]


def test_the_script_pushes_and_applies(made, tmp_path):
    script = made.with_name("web-kubevirt.sh")
    manifest = made.with_name("web.yaml")
    documents = [Document(p.name, p.read_bytes()) for p in (script, manifest)]
    (tmp_path / "run").mkdir()
    calls = run_script(
        documents,
        tmp_path / "run",
        ["registry.example.org/web:1"],
        tools=["skopeo", "kubectl"],
        files=["web.oci.tar"],
    )
    assert calls[0][1] == "copy"
    assert calls[0][3] == "docker://registry.example.org/web:1"
    volumes = yaml.safe_load(manifest.read_text())["spec"]["template"]["spec"]["volumes"]
    assert volumes[1]["containerDisk"] == {"image": "@IMAGE@", "path": "/disk/web-disk2.qcow2"}


def test_only_the_image_is_put_into_the_manifest(source, tmp_path):
    notes = "image: \"@IMAGE@\", image: '@IMAGE@' and @IMAGE@"
    said = MANIFEST.replace(
        "{name: web}", f"{{name: web, annotations: {json.dumps({'description': notes})}}}"
    )
    source.write_text(said)
    run_plan(make_plan(Request(str(source), "kubevirt", form="containerdisk")), tmp_path / "out")
    names = ("web-kubevirt.sh", "web.yaml")
    documents = [Document(n, (tmp_path / "out" / n).read_bytes()) for n in names]
    (tmp_path / "run").mkdir()
    run_script(
        documents,
        tmp_path / "run",
        ["example.org/web:1"],
        tools=["skopeo", "kubectl"],
        files=["web.oci.tar"],
    )
    applied = yaml.safe_load((tmp_path / "run" / "calls.stdin").read_bytes())
    assert applied["metadata"]["annotations"]["description"] == notes
    volumes = applied["spec"]["template"]["spec"]["volumes"]
    assert {v["containerDisk"]["image"] for v in volumes} == {"example.org/web:1"}


def test_half_characters_in_a_label_are_no_crash(tmp_path):
    said = MANIFEST.replace("{name: web}", '{name: "\ud800"}')
    config = {"config": {"Labels": {"kensho.kubevirt.manifest": said}}}
    layout(tmp_path / "image", [], config)
    package = open_package(tmp_path / "image")
    package.close()
    assert package.appliance.machines[0].name == "\ufffd"


def layout(folder, layers, config=None, index=None):
    """Write a layout folder of given layers."""
    (folder / "blobs/sha256").mkdir(parents=True)

    def blob(data):
        digest = hashlib.sha256(data).hexdigest()
        (folder / "blobs/sha256" / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    manifest = {
        "schemaVersion": 2,
        "config": blob(json.dumps(config or {}).encode()),
        "layers": [blob(layer) for layer in layers],
    }
    entries = [blob(json.dumps(manifest).encode())]
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    value = {"schemaVersion": 2, "manifests": entries} if index is None else index
    (folder / "index.json").write_text(json.dumps(value))
    return folder


def layer(files, packed=False):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz" if packed else "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


RAW = b"\xeb\0boot" + bytes(MIB - 6)


@pytest.mark.parametrize("packed", [False, True])
def test_anybodys_image_with_one_disk(tmp_path, packed):
    folder = layout(tmp_path / "l", [layer({"etc/x": b"x"}), layer({"disk/vm.img": RAW}, packed)])
    package = open_package(folder)
    try:
        assert package.kind == "oci"
        assert [f.href for f in package.appliance.files] == ["vm.img"]
        assert package.open_file(package.appliance.files[0].id).read_at(0, MIB) == RAW
    finally:
        package.close()


@pytest.mark.parametrize("whiteout", [".wh.old.img", ".wh..wh..opq"])
def test_a_disk_that_a_later_layer_removes_is_gone(tmp_path, whiteout):
    layers = [layer({"disk/old.img": RAW}), layer({f"disk/{whiteout}": b"", "disk/vm.img": RAW})]
    package = open_package(layout(tmp_path / "l", layers))
    assert [f.href for f in package.appliance.files] == ["vm.img"]
    package.close()


def test_a_disk_in_an_image_built_on_a_system(tmp_path):
    """What else is in the layer has names, kinds and numbers that no package has."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in ("usr/lib/a\\x2db.slice", "etc//x", "../y", "c:d"):
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"abc"))
        for kind in (tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE):
            info = tarfile.TarInfo("dev/x")
            info.type = kind
            archive.addfile(info)
        for number in range(10_001):
            archive.addfile(tarfile.TarInfo(f"srv/{number}"))
        info = tarfile.TarInfo("./disk/vm.img")
        info.size = len(RAW)
        archive.addfile(info, io.BytesIO(RAW))
    package = open_package(layout(tmp_path / "l", [out.getvalue()]))
    try:
        assert [f.href for f in package.appliance.files] == ["vm.img"]
        assert package.open_file(package.appliance.files[0].id).read_at(0, MIB) == RAW
    finally:
        package.close()


@pytest.mark.parametrize(
    ("layers", "options", "error"),
    [
        ([layer({"x": b"x"})], {}, PackageError),
        ([layer({"disk/../a": RAW})], {}, UnsafePathError),
        ([layer({"disk/a": RAW, "disk/b": RAW})], {}, UnsupportedError),
        ([b"\x28\xb5\x2f\xfd" + bytes(600)], {}, UnsupportedError),
        ([layer({"disk/a": RAW})], {"index": {"schemaVersion": 2, "manifests": []}}, KenshoError),
        (
            [layer({"disk/a": RAW})],
            {
                "index": {
                    "schemaVersion": 2,
                    "manifests": [{"digest": "sha256:../../../etc/passwd"}],
                }
            },
            UnsupportedError,
        ),
        ([layer({"disk/a": RAW})], {"config": {"config": {"Labels": []}}}, None),
        (
            [layer({"disk/a": RAW})],
            {"config": {"config": {"Labels": {"kensho.kubevirt.manifest": "a: [}"}}}},
            KenshoError,
        ),
    ],
)
def test_odd_images(tmp_path, layers, options, error):
    folder = layout(tmp_path / "l", layers, **options)
    if error is None:
        open_package(folder).close()
        return
    with pytest.raises(error):
        open_package(folder)


def test_a_blob_cut_off_is_seen(tmp_path):
    folder = layout(tmp_path / "l", [layer({"disk/a": RAW})])
    largest = max((folder / "blobs/sha256").iterdir(), key=lambda p: p.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-512])
    with pytest.raises(TruncatedError):
        open_package(folder)


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_a_flipped_bit_in_a_disk_is_found(made, tmp_path, kind):
    path = made
    if kind == "docker-archive":
        if shutil.which("skopeo") is None:
            pytest.skip("needs skopeo")
        path = tmp_path / "docker.tar"
        command = ["skopeo", "copy", "-q", f"oci-archive:{made}", f"{kind}:{path}"]
        subprocess.run(command, check=True)
    data = bytearray(path.read_bytes())
    request = Request(str(path), "xen")
    plan = make_plan(request, out=tmp_path / "sound")
    assert not {f.code for f in plan.findings} & {"KF-211", "KF-212"}
    assert run_plan(plan, tmp_path / "sound").check == "ok"
    data[data.index(b"first" * 8) + 7] ^= 1
    path.write_bytes(data)
    with pytest.raises(ManifestMismatchError, match="SHA256"):
        run_plan(make_plan(request, out=tmp_path / "out"), tmp_path / "out")
    assert not list(tmp_path.glob("out/*.img"))


def test_a_changed_manifest_is_found(made):
    data = bytearray(made.read_bytes())
    data[data.index(b'"diff_ids"') + 20] ^= 1
    made.write_bytes(data)
    with pytest.raises(ManifestMismatchError, match="SHA256"):
        open_package(made)
