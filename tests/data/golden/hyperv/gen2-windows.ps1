#Requires -Version 5.1
#Requires -Modules Hyper-V
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Creates a virtual machine on this Hyper-V host. Made by kensho.
.DESCRIPTION
The disks stay where they are, beside this script: put the folder where the disks shall live
before you run it. If anything fails, the half-made machine is removed and the disks are kept.
.PARAMETER VMName
Name of the new machine.
.PARAMETER Path
Folder for the configuration of the machine; the default of the host when left out.
.PARAMETER Switch
Virtual switch the network adapters are connected to; not connected when left out.
#>
[CmdletBinding()]
param(
    [ValidateNotNullOrEmpty()]
    [string]$VMName = 'web01',
    [string]$Path = '',
    [string]$Switch = ''
)

Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

# Checks, before anything is made.
foreach ($file in @('web01-disk1.vhdx', 'web01-disk2.vhdx')) {
    if (-not (Test-Path -LiteralPath (Join-Path $PSScriptRoot $file))) {
        throw "Missing beside this script: $file"
    }
}
if (@(Get-VM | Where-Object { $_.Name -eq $VMName }).Count -gt 0) {
    throw "There is a virtual machine called $VMName already; give another name with -VMName"
}
if ($Switch -and -not @(Get-VMSwitch | Where-Object { $_.Name -eq $Switch })) {
    throw "There is no virtual switch called $Switch; Get-VMSwitch lists them"
}

# The machine, without the adapter and the DVD drive it comes with.
$new = @{ Name = $VMName; Generation = 2; MemoryStartupBytes = 512MB; NoVHD = $true }
if ($Path) { $new['Path'] = $Path }
$vm = New-VM @new
try {
    Get-VMNetworkAdapter -VM $vm | Remove-VMNetworkAdapter
    Get-VMDvdDrive -VM $vm | Remove-VMDvdDrive
    if ((Get-Command Set-VM).Parameters.ContainsKey('AutomaticCheckpointsEnabled')) {
        Set-VM -VM $vm -AutomaticCheckpointsEnabled $false
    }

    # Processors and memory.
    Set-VMProcessor -VM $vm -Count 4
    Set-VMMemory -VM $vm -DynamicMemoryEnabled $false -StartupBytes 2147483648

    # Firmware.
    Set-VMFirmware -VM $vm -EnableSecureBoot On -SecureBootTemplate 'MicrosoftWindows'
    # A trusted platform module, empty: what was sealed in the old one is not in it.
    Set-VMKeyProtector -VM $vm -NewLocalKeyProtector
    Enable-VMTPM -VM $vm

    # Drives, each at the place it had or was given.
    while (@(Get-VMScsiController -VM $vm).Count -lt 1) {
        Add-VMScsiController -VM $vm
    }
    $drive0 = Add-VMHardDiskDrive -VM $vm -ControllerType SCSI -ControllerNumber 0 -ControllerLocation 0 -Path (Join-Path $PSScriptRoot 'web01-disk1.vhdx') -Passthru
    $drive1 = Add-VMHardDiskDrive -VM $vm -ControllerType SCSI -ControllerNumber 0 -ControllerLocation 1 -Path (Join-Path $PSScriptRoot 'web01-disk2.vhdx') -Passthru
    $drive2 = Add-VMDvdDrive -VM $vm -ControllerNumber 0 -ControllerLocation 2 -Passthru

    # Network adapters, each named after the network it was on.
    $nic0 = Add-VMNetworkAdapter -VM $vm -Name 'VM Network' -StaticMacAddress '005056010203' -Passthru
    if ($Switch) { Connect-VMNetworkAdapter -VMNetworkAdapter $nic0 -SwitchName $Switch }
    $nic1 = Add-VMNetworkAdapter -VM $vm -Name 'Backup' -Passthru
    Set-VMNetworkAdapterVlan -VMNetworkAdapter $nic1 -Access -VlanId 12

    # Serial ports, as named pipes of the host.
    Set-VMComPort -VM $vm -Number 1 -Path '\\.\pipe\web01-com1'

    # What to start from.
    Set-VMFirmware -VM $vm -BootOrder $drive0

    # Notes.
    Set-VM -VM $vm -Notes 'Made for tests'

    # What the guest and the host tell each other.
    Get-VMIntegrationService -VM $vm | Where-Object { -not $_.Enabled } |
        Enable-VMIntegrationService
}
catch {
    Remove-VM -VM $vm -Force
    throw
}

Write-Output "Created $VMName. Start it with Start-VM."
