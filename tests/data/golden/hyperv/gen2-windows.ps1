#Requires -Version 5.1
#Requires -Modules Hyper-V
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Creates a virtual machine on this Hyper-V host. Made by kensho.
.DESCRIPTION
The disks stay where they are, beside this script: put the folder where the disks shall live
before you run it. If anything fails, the half-made machine is removed and the disks are kept.
For Windows PowerShell 5.1 and PowerShell 7.
.PARAMETER Name
Name of the new machine.
.PARAMETER Path
Folder for the configuration of the machine; the default of the host when left out.
.PARAMETER Switch
Virtual switch all network adapters are connected to. When left out, each one is connected to the
switch that is called like its network, if there is one.
.PARAMETER Version
Configuration version, for a machine that has to run on older hosts as well; the default of the
host when left out. Get-VMHostSupportedVersion lists them.
.PARAMETER AutomaticStartAction
What the machine does when the host starts.
.PARAMETER AutomaticStopAction
What the machine does when the host shuts down.
.PARAMETER CompatibleProcessor
Hides newer features of the processor, so that the running machine can move to other hosts.
.EXAMPLE
powershell -ExecutionPolicy Bypass -File .\web01-import.ps1 -WhatIf
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [Alias('VMName')]
    [ValidateNotNullOrEmpty()]
    [string]$Name = 'web01',
    [string]$Path = '',
    [string]$Switch = '',
    [ValidatePattern('^([0-9]+\.[0-9]+)?$')]
    [string]$Version = '',
    [ValidateSet('Nothing', 'StartIfRunning', 'Start')]
    [string]$AutomaticStartAction = 'StartIfRunning',
    [ValidateSet('ShutDown', 'Save', 'TurnOff')]
    [string]$AutomaticStopAction = 'ShutDown',
    [switch]$CompatibleProcessor
)

Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

# Checks, before anything is made.
foreach ($file in @('web01-disk1.vhdx', 'web01-disk2.vhdx')) {
    if (-not (Test-Path -LiteralPath (Join-Path $PSScriptRoot $file))) {
        throw "Missing beside this script: $file"
    }
}
if (@(Get-VM | Where-Object { $_.Name -eq $Name }).Count -gt 0) {
    throw "There is a virtual machine called $Name already; give another name with -Name"
}
$switches = @(Get-VMSwitch | ForEach-Object { $_.Name })
if ($Switch -and $switches -notcontains $Switch) {
    throw "There is no virtual switch called $Switch; Get-VMSwitch lists them"
}
if (-not $PSCmdlet.ShouldProcess($Name, 'Create virtual machine')) {
    return
}

function Connect-Adapter($Adapter, [string]$Network) {
    $wanted = if ($Switch) { $Switch } else { $Network }
    if ($switches -contains $wanted) {
        Connect-VMNetworkAdapter -VMNetworkAdapter $Adapter -SwitchName $wanted
    }
}

# The machine, without the adapter and the DVD drive it comes with.
$new = @{ Name = $Name; Generation = 2; MemoryStartupBytes = 536870912; NoVHD = $true }
if ($Path) { $new['Path'] = $Path }
if ($Version) { $new['Version'] = $Version }
$vm = New-VM @new
try {
    Get-VMNetworkAdapter -VM $vm | Remove-VMNetworkAdapter
    Get-VMDvdDrive -VM $vm | Remove-VMDvdDrive
    Set-VM -VM $vm -AutomaticStartAction $AutomaticStartAction -AutomaticStopAction $AutomaticStopAction
    if ((Get-Command Set-VM).Parameters.ContainsKey('AutomaticCheckpointsEnabled')) {
        Set-VM -VM $vm -AutomaticCheckpointsEnabled $false
    }

    # Processors and memory.
    Set-VMProcessor -VM $vm -Count 4 -CompatibilityForMigrationEnabled $CompatibleProcessor.IsPresent
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
    Set-VMNetworkAdapter -VMNetworkAdapter $nic0 -MacAddressSpoofing Off
    Connect-Adapter -Adapter $nic0 -Network 'VM Network'
    $nic1 = Add-VMNetworkAdapter -VM $vm -Name 'Backup' -Passthru
    Set-VMNetworkAdapter -VMNetworkAdapter $nic1 -MacAddressSpoofing Off
    Set-VMNetworkAdapterVlan -VMNetworkAdapter $nic1 -Access -VlanId 12

    # Serial ports, as named pipes of the host.
    Set-VMComPort -VM $vm -Number 1 -Path '\\.\pipe\web01-com1'

    # What to start from.
    Set-VMFirmware -VM $vm -BootOrder $drive0

    # Notes.
    Set-VM -VM $vm -Notes 'Made for tests'

    # What the guest and the host tell each other. The names of the services are translated, so
    # they are told by the last part of their Id.
    $services = @{
        '2497f4de-e9fa-4204-80e4-4b75c46419c0' = 'on'
        '2a34b1c2-fd73-4043-8a5b-dd2159bc743f' = 'on'
        '5ced1297-4598-4915-a5fc-ad21bb4d02a4' = 'on'
        '6c09bb55-d683-4da0-8931-c9bf705f6480' = 'off'
        '84eaae65-2f2e-45f5-9bb5-0e857dc8eb47' = 'on'
        '9f8233ac-be49-4c79-8ee3-e7e1985b2077' = 'on'
    }
    foreach ($service in @(Get-VMIntegrationService -VM $vm)) {
        $wanted = $services[($service.Id -split '\\')[-1]]
        if ($wanted -eq 'on' -and -not $service.Enabled) {
            Enable-VMIntegrationService -VMIntegrationService $service
        }
        elseif ($wanted -eq 'off' -and $service.Enabled) {
            Disable-VMIntegrationService -VMIntegrationService $service
        }
    }
}
catch {
    $failure = $_
    Remove-VM -VM $vm -Force -ErrorAction Continue -WhatIf:$false -Confirm:$false
    throw $failure
}

Write-Output "Created $Name. Start it with Start-VM."
