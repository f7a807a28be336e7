/** The programs that a start runs: QEMU, virtiofsd and the tools that build the jail. */
import { type Check, failed, ok, warning } from './check.ts'

/** First release with everything that we ask of it; Debian 12's. */
const oldestQemu = [7, 2] as const
const neededDevices = ['vhost-user-fs-pci', 'virtio-serial-pci', 'virtserialport', 'pcie-root-port']
const neededObjects = ['memory-backend-memfd']
const installQemu = 'Run `apt-get install qemu-system-x86`, or name another QEMU with `path`.'

const qemu: Check = {
  name: 'qemu',
  run: async ({ host, config }) => {
    const { path } = config.hypervisor
    if (!host.isExecutable(path)) return failed(`${path} is not an executable program`, installQemu)
    const { code, text } = await host.run([path, '--version'])
    const version = /version (\d+)\.(\d+)(\.\d+)?/.exec(text)
    if (code !== 0 || version === null)
      return failed(`${path} --version failed (exit code ${code}): ${firstLine(text)}`, installQemu)
    const [major, minor] = [Number(version[1]), Number(version[2])]
    const found = `QEMU ${version[0].slice('version '.length)} (${path})`
    const tooOld = major < oldestQemu[0] || (major === oldestQemu[0] && minor < oldestQemu[1])
    return tooOld ? failed(`${found} is older than ${oldestQemu.join('.')}`, installQemu) : ok(found)
  },
}

const qemuFeatures: Check = {
  name: 'qemu-features',
  run: async ({ host, config }) => {
    const { path, accelerator } = config.hypervisor
    if (!host.isExecutable(path)) return failed(`${path} is not an executable program`, installQemu)
    const lists = await Promise.all([
      host.run([path, '-device', 'help']),
      host.run([path, '-machine', 'none', '-object', 'help']),
      host.run([path, '-accel', 'help']),
    ])
    const known = new Set(lists.flatMap(({ text }) => text.match(/[a-z0-9][a-z0-9-]*/g) ?? []))
    const accelerators = accelerator === 'auto' ? ['kvm', 'tcg'] : [accelerator]
    const missing = [...neededDevices, ...neededObjects, ...accelerators].filter((name) => !known.has(name))
    return missing.length === 0
      ? ok('all needed devices, memory backends and accelerators')
      : failed(`${path} lacks ${missing.join(', ')}`, installQemu)
  },
}

const virtiofsd: Check = {
  name: 'virtiofsd',
  run: async ({ host, config }) => {
    const { virtioFsDaemon: path } = config.hypervisor
    const remedy = 'Run `apt-get install virtiofsd`, or name another one with `virtio_fs_daemon`.'
    if (!host.isExecutable(path)) return failed(`${path} is not an executable program`, remedy)
    const { code, text } = await host.run([path, '--version'])
    return code === 0
      ? ok(`${firstLine(text)} (${path})`)
      : failed(`${path} --version failed (exit code ${code}): ${firstLine(text)}`, remedy)
  },
}

const jailTools = ['setpriv', 'unshare', 'enosys', 'prlimit', 'mount', 'umount', 'pivot_root', 'env', 'sh']

const tools: Check = {
  name: 'jail-tools',
  run: ({ host }) => {
    const missing = jailTools.filter((name) => host.findTool(name) === undefined)
    return missing.length === 0
      ? ok(jailTools.join(', '))
      : failed(
          `not found: ${missing.join(', ')}`,
          'Run `apt-get install util-linux util-linux-extra coreutils`.',
        )
  },
}

const landlock: Check = {
  name: 'landlock',
  run: async ({ host }) => {
    const abi = host.landlockAbi()
    if (abi === 0)
      return warning(
        'the kernel has no Landlock: the VMM runs without this layer',
        'Use a kernel from 5.13 on, and name landlock in its lsm= parameter if that is set.',
      )
    const setpriv = host.findTool('setpriv')
    const help = setpriv === undefined ? '' : (await host.run([setpriv, '--help'])).text
    return help.includes('--landlock-access')
      ? ok(`Landlock ABI ${abi}`)
      : warning(`Landlock ABI ${abi}, but setpriv cannot apply it`, 'Install util-linux from 2.40 on.')
  },
}

export const programChecks: readonly Check[] = [qemu, qemuFeatures, virtiofsd, tools, landlock]

const firstLine = (text: string) => text.trim().split('\n')[0]!.slice(0, 200)
