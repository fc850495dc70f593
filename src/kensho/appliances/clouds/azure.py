"""Write a machine for Azure: an ARM template and a script that uploads the disks and deploys it.

Sources: learn.microsoft.com, "Upload a VHD to Azure or copy a managed disk" (``az disk create
--upload-type Upload``, ``azcopy copy --blob-type PageBlob``), "Understand the structure and syntax
of ARM templates", "Microsoft.Compute virtualMachines" (attached disks, securityProfile). A template
in JSON needs nothing but ``az``; Bicep would have to be fetched and is compiled to the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from kensho.appliances.bash import quoted
from kensho.appliances.clouds.parts import Job, head, job_of, json_document, script, shape_of
from kensho.appliances.package import Document, PlacedDisk
from kensho.model.appliance import Appliance
from kensho.model.machine import Firmware
from kensho.platforms import azure

_SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"

_USAGE = """bash {script} RESOURCE_GROUP LOCATION SUBNET_ID...

RESOURCE_GROUP  where everything goes; it has to be there
LOCATION        such as westeurope
SUBNET_ID       the full id of the subnet of each network adapter, in their order: {nics}

az has to be logged in, azcopy has to be installed."""

_UPLOAD = """
# Makes a managed disk of a VHD: its name, the file, and options of az disk create.
upload() {
  local name=$1 file=$2 size sas
  shift 2
  size=$(($(wc -c <"$HERE/$file")))
  az disk create --resource-group "$GROUP" --location "$LOCATION" --name "$name" \\
    --upload-type Upload --upload-size-bytes "$size" --sku StandardSSD_LRS "$@" --output none
  sas=$(az disk grant-access --resource-group "$GROUP" --name "$name" --access-level Write \\
    --duration-in-seconds 86400 --query '[accessSas, accessSAS][?@] | [0]' --output tsv)
  azcopy copy "$HERE/$file" "$sas" --blob-type PageBlob
  az disk revoke-access --resource-group "$GROUP" --name "$name" --output none
}

"""


def render(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[Document, ...]:
    """Return ``NAME-azure.sh`` and ``NAME-azure.json``, the template.

    Raises UnsupportedError for several machines.
    """
    job = job_of(appliance, disks, azure.PLATFORM.title)
    template = f"{job.stem}-azure.json"
    return (
        script(f"{job.stem}-azure.sh", _script(job, template)),
        json_document(template, _template(job)),
    )


def literal(text: str) -> str:
    """Return a text as a template's string that Azure takes word for word.

    One that begins with ``[`` and ends with ``]`` is an expression unless it begins with two of
    them; any other is taken as it is, both of them too.
    """
    return f"[{text}" if text.startswith("[") and text.endswith("]") else text


def _trusted(job: Job) -> bool:
    return job.machine.firmware.secure_boot or job.machine.firmware.tpm


def _os_type(job: Job) -> str:
    return "Windows" if job.family == "windows" else "Linux"


def _script(job: Job, template: str) -> str:
    name = f"{job.stem}-azure.sh"
    nics = len(job.machine.nics)
    usage = _USAGE.format(script=name, nics=nics)
    files = [template, *(disk.filename for disk in job.disks)]
    what = "makes this machine in Azure"
    generation = "V2" if job.machine.firmware.kind is Firmware.UEFI else "V1"
    text = head(what, usage, ["az", "azcopy"], files)
    text += (
        f"\nif (($# != {2 + nics})); then\n"
        f'  echo "usage: bash ${{BASH_SOURCE[0]}} RESOURCE_GROUP LOCATION SUBNET_ID...'
        f' ({nics} of them)" >&2\n'
        "  exit 2\n"
        "fi\n"
        "GROUP=$1\nLOCATION=$2\nshift 2\n" + _UPLOAD
    )
    for number, disk in enumerate(job.disks, 1):
        options = ""
        if number == 1:
            options = f" --os-type {_os_type(job)} --hyper-v-generation {generation}"
            options += " --security-type TrustedLaunch" if _trusted(job) else ""
        text += f"upload {quoted(job.disk_label(number))} {quoted(disk.filename)}{options}\n"
    subnets = "".join(f' "subnetId{n}=${{{n}}}"' for n in range(1, nics + 1))
    return text + (
        '\naz deployment group create --resource-group "$GROUP"'
        f' --template-file "$HERE"/{quoted(template)} \\\n'
        f'  --parameters "location=$LOCATION"{subnets} --output none\n'
        f'echo "the machine {job.label} is there and runs"\n'
    )


def _template(job: Job) -> dict[str, object]:
    nics = range(1, len(job.machine.nics) + 1)
    parameters: dict[str, object] = {
        "location": {"type": "string", "defaultValue": "[resourceGroup().location]"},
        "vmSize": {"type": "string", "defaultValue": shape_of(job, azure.PLATFORM).name},
    }
    parameters |= {f"subnetId{n}": {"type": "string"} for n in nics}
    return {
        "$schema": _SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": parameters,
        "resources": [*(_nic(job, n) for n in nics), _machine(job)],
    }


def _nic(job: Job, number: int) -> dict[str, object]:
    subnet = f"[parameters('subnetId{number}')]"
    return {
        "type": "Microsoft.Network/networkInterfaces",
        "apiVersion": "2023-09-01",
        "name": f"{job.label}-nic{number}",
        "location": "[parameters('location')]",
        "properties": {
            "ipConfigurations": [{"name": "ipconfig1", "properties": {"subnet": {"id": subnet}}}]
        },
    }


def _machine(job: Job) -> dict[str, object]:
    nics = [
        f"[resourceId('Microsoft.Network/networkInterfaces', '{job.label}-nic{number}')]"
        for number, _ in enumerate(job.machine.nics, 1)
    ]
    disks = [
        {"id": f"[resourceId('Microsoft.Compute/disks', '{job.disk_label(number)}')]"}
        for number, _ in enumerate(job.disks, 1)
    ]
    storage: dict[str, object] = {
        "dataDisks": [
            {"lun": lun, "createOption": "Attach", "managedDisk": disk}
            for lun, disk in enumerate(disks[1:])
        ]
    }
    if disks:
        storage["osDisk"] = {
            "osType": _os_type(job),
            "createOption": "Attach",
            "managedDisk": disks[0],
        }
    properties: dict[str, object] = {
        "hardwareProfile": {"vmSize": "[parameters('vmSize')]"},
        "storageProfile": storage,
        "networkProfile": {
            "networkInterfaces": [
                {"id": nic, "properties": {"primary": number == 0}}
                for number, nic in enumerate(nics)
            ]
        },
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
    }
    if _trusted(job):
        firmware = job.machine.firmware
        properties["securityProfile"] = {
            "securityType": "TrustedLaunch",
            "uefiSettings": {
                "secureBootEnabled": firmware.secure_boot,
                "vTpmEnabled": firmware.tpm,
            },
        }
    tags = {"name": literal(job.title)} | ({"notes": literal(job.about)} if job.about else {})
    return {
        "type": "Microsoft.Compute/virtualMachines",
        "apiVersion": "2024-03-01",
        "name": job.label,
        "location": "[parameters('location')]",
        "tags": tags,
        "dependsOn": nics,
        "properties": properties,
    }
