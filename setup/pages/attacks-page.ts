/** docs/attacks.md: the table of the attack suite as people read it. */
import { type Attack, attackGroups, attacks, liveAttacks } from '../../e2e/attack/attacks.ts'
import { cgroupAttacks, directoryAttacks } from '../../e2e/attack/bound-attacks.ts'
import { itsWork, ofOtherSockets, otherwise, ownAttacks } from '../../e2e/attack/clh-attacks.ts'
import {
  guestShareAttacks,
  inOwnLayer,
  leftPrograms,
  setIdAttacks,
  shareAttacks,
} from '../../e2e/virtiofsd/attacks.ts'
import { fuseAttacks } from '../../e2e/virtiofsd/fuse-attacks.ts'

const introduction = `# What a VMM that was taken over cannot do

Generated from the table that \`e2e/attack.test.ts\` runs (\`npm test -- e2e attack\`); do not edit. An attacker's program takes QEMU's
place, with its user, its jail and its descriptors, and tries each of these attacks. Neither QEMU's own \`-sandbox\` filter nor the virtual machine
holds it back. So the page shows only the walls around the process. [Cloud Hypervisor's jail](#cloud-hypervisor) gives some other answers.
Firecracker's jail is made by its jailer; \`e2e/firecracker.test.ts\` attacks it.

- **in the jail**: the error that the attacker gets. \`ENOSYS\` comes from the seccomp filter. \`ENOENT\` means that the jail's root does not
  have the file.
- **the user alone**: the error that the same user gets without any jail. \`ok\` and \`-\` mean that the user alone does not prevent this.
- **root outside**: the control. Root succeeds (\`ok\`). Where success would harm the host, root's attempt is made to fail behind the wall, with
  another error.
- **rootless off**: whether the wall still stands when the VMM runs as root in the same jail (\`rootless = false\`).
`

export function attacksPage(): string {
  const groups = { ...attackGroups, 'Two live machines beside it': liveAttacks }
  const rows = Object.values(groups).flat()
  const falling = rows.filter(([, , , , , exception]) => exception?.fallsWithoutUser).length
  const fall = falling === 1 ? 'falls' : 'fall'
  const counted = `\n${rows.length} attacks. With rootless off ${rows.length - falling} of the walls still stand and ${falling} ${fall}.\n`
  const parts = Object.entries(groups).map(([title, attacks]) => `\n## ${title}\n\n${tableOf(attacks)}`)
  return `${introduction}${counted}${parts.join('')}${clhPart()}${boundPart()}${daemonPart()}${fusePart()}${guestPart()}`
}

function clhPart(): string {
  const rows = Object.entries(otherwise).map(([goal, { jailed, why, succeeds }]) => {
    const [, , ofQemu] = attacks.find(([name]) => name === goal)!
    return `| ${goal} | ${ofQemu} | ${succeeds ? '**succeeds**' : jailed} | ${why} |\n`
  })
  const own = ownAttacks.map(
    ([goal, , jailed, user, root]) => `| ${goal} | ${jailed} | ${user} | ${root} |\n`,
  )
  return `
## Cloud Hypervisor

\`e2e/clh-attack.test.ts\` runs the attacks above in the jail of Cloud Hypervisor, except those on live machines and these:

${[...itsWork, ...ofOtherSockets].map((goal) => `- ${goal}`).join('\n')}

It needs \`/dev/kvm\`. Its jail shows its private directory, where it may create files. The sockets of its agent and its file server are there and belong to
its own user, so no wall keeps it from these two. Its filter is wider ([why](../THREAT-MODEL.md#what-is-not-defended)). So these answers differ:

| to ... | in QEMU's jail | in its jail | because |
|---|---|---|---|
${rows.join('')}
These attacks target what only its jail shows:

| to ... | in the jail | the user alone | root outside |
|---|---|---|---|
${own.join('')}`
}

function boundPart(): string {
  const rows = [...cgroupAttacks, ...directoryAttacks].map(
    ([goal, , inPlace, root]) => `| ${goal} | ${inPlace} | ${root} |\n`,
  )
  return `
## What it may take from the host

\`e2e/host-limits.test.ts\` tests this. The attack on memory runs as the user of a live VMM and in its cgroup. The machine has 128 MiB, and keeps running.
\`KILL\` means that the kernel kills the attacker and the host gets the memory back. The attack with files runs in a jail that shows the private
directory, as the jails of Cloud Hypervisor and swtpm do. QEMU's jail does not show it.

| to ... | in its place | root outside |
|---|---|---|
${rows.join('')}`
}

/** virtiofsd's user is not the VMM's, so the results are the same with rootless off. */
function daemonPart(): string {
  const rows = shareAttacks.map(([goal, , inPlace, root]) => `| ${goal} | ${inPlace} | ${root} |\n`)
  return `
## The file server

In \`e2e/virtiofsd-attack.test.ts\` the attacker's program takes the place of the virtiofsd process that serves a live sandbox, with its user, its
namespaces and its capabilities. None of the ${shareAttacks.length} attacks depends on the VMM's user: with rootless off, virtiofsd still has its own user.

| to ... | in its place | root outside |
|---|---|---|
${rows.join('')}
A second virtiofsd serves volumes that a guest may write. In its place, these attacks fail, too. The control is the same act in the place of the
first virtiofsd, in a volume that the operator lists in [\`virtio_fs_suid_volumes\`](configuration.md#virtio_fs_suid_volumes).

| to ... | in the place of the second | in the place of the first |
|---|---|---|
${setIdAttacks.map(([goal, , inPlace]) => `| ${goal} | ${inPlace} | ok |\n`).join('')}`
}

function fusePart(): string {
  const rows = fuseAttacks.map(({ goal, result }) => `| ${goal} | ${result} | ok |\n`)
  return `
## The file server, from an attacker's kernel

\`e2e/virtiofsd-fuse.test.ts\` sends raw FUSE requests over vhost-user, as an attacker's guest kernel could. The control is the same request for a
file of the share. A malformed request costs the machine its share, and affects nothing else.

| to ... | the answer | the control |
|---|---|---|
${rows.join('')}`
}

function guestPart(): string {
  const left = leftPrograms.map(
    ({ what, refused }) => `| ${what} | ${refused} | **succeeds** | ${inOwnLayer}, for that user |\n`,
  )
  const rows = guestShareAttacks.map(([goal, , inGuest]) => `| ${goal} | ${inGuest} | ok |\n`)
  return `
## The share, from inside the guest

Root of a container tries these in a writable volume. The control is root of the host at the same place. None of it depends on the VMM's user.

| to ... | in the guest | root outside |
|---|---|---|
${rows.join('')}
Root of a container can also try to leave a program for users of the host, with rights that these users lack. A volume accepts no such program, unless
the operator lists the volume in [\`virtio_fs_suid_volumes\`](configuration.md#virtio_fs_suid_volumes). A root file system accepts it, but lies below a
directory that only root can enter. With [\`virtio_fs_nosuid\`](configuration.md#virtio_fs_nosuid) neither accepts it.

| to leave ... | in a volume | in a volume that is listed | in its own root file system |
|---|---|---|---|
${left.join('')}`
}

function tableOf(attacks: readonly Attack[]): string {
  const head =
    '| to ... | in the jail | the user alone | root outside | rootless off |\n|---|---|---|---|---|\n'
  return head + attacks.map(rowOf).join('')
}

function rowOf([goal, , jailed, user, root, exception]: Attack): string {
  return `| ${goal} | ${jailed} | ${user} | ${root} | ${exception?.fallsWithoutUser ? '**falls**' : 'stands'} |\n`
}
