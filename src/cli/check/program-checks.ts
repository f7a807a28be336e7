/** The programs that a start runs beside the VMM: virtiofsd and the tools that build the jail. */
import { bundleOf } from '../../own-bundle.ts'
import { shimName, version } from '../../version.ts'
import { type Check, failed, firstLine, ok, warning } from './check.ts'

const virtiofsd: Check = {
  name: 'virtiofsd',
  run: async ({ host, config }) => {
    const { sharedFs, virtioFsDaemon: path } = config.hypervisor
    if (sharedFs === 'none') return ok('not used: the VMM shares no directories')
    const remedy = 'Run `apt-get install virtiofsd`, or name another one with `virtio_fs_daemon`.'
    if (!host.isExecutable(path)) return failed(`${path} is not an executable program`, remedy)
    const { code, text } = await host.ask([path, '--version'])
    return code === 0
      ? ok(`${firstLine(text)} (${path})`)
      : failed(`${path} --version failed (exit code ${code}): ${firstLine(text)}`, remedy)
  },
}

const jailTools = ['setpriv', 'unshare', 'prlimit', 'mount', 'umount', 'pivot_root', 'env', 'dash', 'bash']

const tools: Check = {
  name: 'jail-tools',
  run: ({ host }) => {
    const missing = jailTools.filter((name) => host.findTool(name) === undefined)
    return missing.length === 0
      ? ok(jailTools.join(', '))
      : failed(`not found: ${missing.join(', ')}`, 'Run `apt-get install util-linux bash dash coreutils`.')
  },
}

const landlock: Check = {
  name: 'landlock',
  run: async ({ host, config }) => {
    const problem = await host.landlockProblem()
    if (problem === undefined) return ok('it restricts a test program')
    const remedy =
      'Use Linux 5.13 or later, with landlock in its lsm= parameter if that is set, and util-linux 2.40 or later'
    return config.hypervisor.landlock === 'required'
      ? failed(problem, `${remedy}, or accept it with landlock = "best-effort".`)
      : warning(`${problem}: VMMs run without this layer`, `${remedy}.`)
  },
}

/**
 * Where containerd looks under systemd (systemd.exec(5), $PATH) and in a login shell. Only what we are found by, never what
 * we run: the programs of a start come from the directories of findTool alone, in which no administrator installs by hand.
 */
const clientPath = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin']

const bundle = bundleOf(process.execPath)

const shim: Check = {
  name: 'shim',
  run: async ({ host }) => {
    const path = clientPath
      .map((directory) => `${directory}/${shimName}`)
      .find((candidate) => host.isExecutable(candidate))
    if (path === undefined)
      return warning(
        `${shimName} is in none of ${clientPath.join(', ')}: containerd will not find it`,
        bundle === undefined
          ? `Install it as docs/how-to/first-pod.md says: \`ln -s kata-ts ${shimName}\` beside kata-ts in /usr/local/bin.`
          : `To let containerd start it: \`ln -s ${bundle.programs}/${shimName} /usr/local/bin/\`.`,
      )
    // What cannot be asked is started all the same.
    const { code, text } = await host.ask([path, '--version'])
    const found = /\d+\.\d+\.\d+\S*/.exec(text)?.[0] ?? version
    return code === 0 && found !== version
      ? warning(
          `${path} is version ${found}, which containerd starts, and this program is version ${version}`,
          'Install one version in both places, or remove one of them.',
        )
      : ok(path)
  },
}

export const programChecks: readonly Check[] = [virtiofsd, tools, landlock, shim]
