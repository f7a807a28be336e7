/** Installs kata-ts on the lab host by the commands that docs/how-to/first-pod.md gives a user, in their order. */
import { namedBlock } from '../e2e/how-to/page.ts'
import { checkoutInLab, installPage, packed } from './carry.ts'
import { mustInLab } from './machine/ssh.ts'

/**
 * What the lab host needs beside our shipped configuration, as a drop-in of an operator: guests under an emulated KVM take ten
 * times as long, and nothing but KVM is wanted.
 */
const dropIn = `[hypervisor.qemu]
accelerator = "kvm"
[agent.kata]
dial_timeout = 300
[runtime]
create_container_timeout = 900
`

/** The configuration of containerd that Debian's package brought. */
const packaged = '/etc/containerd/config.toml.debian'

/** @throws Error with what a command of the page said. */
export async function install(): Promise<void> {
  const steps = ['unpack', 'install', 'kvm-group'].map((name) => namedBlock(installPage, name))
  await mustInLab(`set -eu
systemctl stop containerd
cp ${checkoutInLab}/${packed} kata-ts.tar
${steps.join('\n')}
install -d /etc/kata-ts/config.d
cat >/etc/kata-ts/config.d/lab.toml <<'END'
${dropIn}END
[ -e ${packaged} ] || cp /etc/containerd/config.toml ${packaged}
cp ${packaged} /etc/containerd/config.toml
cd ~/kata-ts-install
${namedBlock(installPage, 'containerd')}`)
}
