"""The parts of the Hyper-V script that are the same for every machine, and quoting.

Source: about_Quoting_Rules and about_Script_Requires of the PowerShell documentation. No value
of a machine is ever part of anything but a single-quoted literal.
"""

from __future__ import annotations

import re

#: PowerShell takes the typographic single quotes for the plain one, as CharTraits.cs shows.
_SINGLE_QUOTES = re.compile("['\u2018\u2019\u201a\u201b]")


def literal(text: str) -> str:
    """Return ``text`` as a single-quoted literal, in which PowerShell expands nothing."""
    return "'" + _SINGLE_QUOTES.sub(r"\g<0>\g<0>", text.replace("\0", "")) + "'"


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
    [string]$VMName = @NAME@,
    [string]$Path = '',
    [string]$Switch = ''
)

Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

# Checks, before anything is made.
foreach ($file in @(@FILES@)) {
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
$new = @{ Name = $VMName; Generation = @GENERATION@; MemoryStartupBytes = 512MB; NoVHD = $true }
if ($Path) { $new['Path'] = $Path }
@VERSION@$vm = New-VM @new
try {
    Get-VMNetworkAdapter -VM $vm | Remove-VMNetworkAdapter
    Get-VMDvdDrive -VM $vm | Remove-VMDvdDrive
    if ((Get-Command Set-VM).Parameters.ContainsKey('AutomaticCheckpointsEnabled')) {
        Set-VM -VM $vm -AutomaticCheckpointsEnabled $false
    }

"""

FOOT = """\

    # What the guest and the host tell each other.
    Get-VMIntegrationService -VM $vm | Where-Object { -not $_.Enabled } |
        Enable-VMIntegrationService
}
catch {
    Remove-VM -VM $vm -Force
    throw
}

Write-Output "Created $VMName. Start it with Start-VM."
"""
