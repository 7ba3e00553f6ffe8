#!/usr/bin/env bash
# Sees to it that Mesa's software Vulkan device is there, on which the GPU engine is tested. It needs root and Debian,
# or the packages mesa-vulkan-drivers and libvulkan1 from elsewhere.
set -euo pipefail

has_driver() {
    compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' >/dev/null && ldconfig -p | grep 'libvulkan\.so\.1' >/dev/null
}

if ! has_driver; then
    bash "$(dirname "$0")/install_debian.sh" mesa-vulkan-drivers libvulkan1
fi
has_driver
