"""The parts of the Hyper-V script that are the same for every machine.

Source: about_Script_Requires of the PowerShell documentation. No value of a machine is ever part of
anything but a single-quoted literal (`kensho.model.powershell`).
"""

from __future__ import annotations

HEAD = """\
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
powershell -ExecutionPolicy Bypass -File .\\@SCRIPT@ -WhatIf
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [Alias('VMName')]
    [ValidateNotNullOrEmpty()]
    [string]$Name = @NAME@,
    [string]$Path = '',
    [string]$Switch = '',
    [ValidatePattern('^([0-9]+\\.[0-9]+)?$')]
    [string]$Version = @VERSION@,
    [ValidateSet('Nothing', 'StartIfRunning', 'Start')]
    [string]$AutomaticStartAction = 'StartIfRunning',
    [ValidateSet('ShutDown', 'Save', 'TurnOff')]
    [string]$AutomaticStopAction = 'ShutDown',
    [switch]$CompatibleProcessor
)

Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

# Checks, before anything is made.
foreach ($file in @(@FILES@)) {
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
$new = @{ Name = $Name; Generation = @GENERATION@; MemoryStartupBytes = 536870912; NoVHD = $true }
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

"""

FOOT = """\

    # What the guest and the host tell each other. The names of the services are translated, so
    # they are told by the last part of their Id.
    $services = @{
@SERVICES@    }
    foreach ($service in @(Get-VMIntegrationService -VM $vm)) {
        $wanted = $services[($service.Id -split '\\\\')[-1]]
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
"""
