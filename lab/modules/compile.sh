#!/bin/sh
# Runs in the lab host's root directory, in a layer that is thrown away: compiles VFIO with IOMMUFD for its kernel from
# Debian's own source package, and leaves the modules in /modules. /tree holds the makefiles beside this script.
set -eu
kernel=$1
export DEBIAN_FRONTEND=noninteractive

apt-get -q -o APT::Update::Error-Mode=any update
apt-get -q install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io \
  "linux-headers-$kernel" "linux-source-${kernel%%.*}.$(echo "$kernel" | cut -d. -f2)" make xz-utils bc

cd /tree
source=$(basename /usr/src/linux-source-*.tar.xz .tar.xz)
tar -xf "/usr/src/$source.tar.xz" --wildcards "$source/drivers/vfio/*" "$source/drivers/iommu/iommufd/*" \
  "$source/drivers/iommu/*.h" "$source/lib/interval_tree.c"
iommu=$source/drivers/iommu vfio=$source/drivers/vfio

cp "$iommu"/iommufd/*.[ch] iommufd/
cp "$iommu/iommu-priv.h" .
cp "$vfio"/*.[ch] vfio/
cp "$vfio"/pci/*.[ch] vfio/pci/
{
  printf '#include <linux/interval_tree.h>\n#include <linux/kernel.h>\n#include <linux/export.h>\n'
  sed -n '/ifdef CONFIG_INTERVAL_TREE_SPAN_ITER/,/^#endif/p' "$source/lib/interval_tree.c"
} >iommufd/span.c

make -C "/usr/src/linux-headers-$kernel" M=/tree modules
mkdir -p /modules
for module in iommufd/*.ko vfio/*.ko vfio/pci/*.ko; do
  objcopy --strip-debug "$module" "/modules/$(basename "$module")"
done
