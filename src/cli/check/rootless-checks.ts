/** Checks what a VMM with a user of its own needs. */
import { KataError } from '../../errors.ts'
import { type Check, failed, ok, warning } from './check.ts'

const otherModes = 'set rootless_account = "userdb" (drop-ins in /run/userdb) or "none" (bare numbers).'

const rootless: Check = {
  name: 'rootless',
  run: ({ config }) =>
    config.hypervisor.rootless
      ? ok('every VMM runs as a user of its own')
      : warning(
          `VMMs run as root (${config.source})`,
          `Set rootless = true in [hypervisor.${config.hypervisor.driver}]; absent from a file at Kata's places it means false.`,
        ),
}

const account: Check = {
  name: 'account',
  run: ({ host, config }) => {
    const { rootless: used, rootlessAccount: mode } = config.hypervisor
    if (!used) return ok('not used: rootless = false')
    if (mode === 'none') return ok('bare numbers, without an account')
    if (mode === 'userdb') {
      const resolves = /^passwd:.*\bsystemd\b/m.test(host.readText('/etc/nsswitch.conf') ?? '')
      return resolves
        ? ok('drop-ins in /run/userdb')
        : warning(
            'drop-ins in /run/userdb are not resolved here: tools show numbers instead of kata-<n>',
            'Install libnss-systemd and add "systemd" to the line passwd: of /etc/nsswitch.conf.',
          )
    }
    const missing = ['useradd', 'userdel'].filter((name) => host.findTool(name) === undefined)
    if (missing.length > 0)
      return failed(`not found: ${missing.join(', ')}`, `Run \`apt-get install passwd\`, or ${otherModes}`)
    if (host.uid() !== 0) return ok('useradd; whether it can write /etc, only root can try')
    return host.isWritable('/etc')
      ? ok('useradd, and /etc can be written')
      : failed('/etc cannot be written, so useradd cannot work', `Mount it writable, or ${otherModes}`)
  },
}

const uidRange: Check = {
  name: 'uid-range',
  run: ({ host, config }) => {
    const { rootless: used, rootlessUidBase: base, rootlessUidBlocks: blocks } = config.hypervisor
    const { sharedFs, virtioFsPrivilege } = config.hypervisor
    const isDaemons = sharedFs !== 'none' && virtioFsPrivilege !== 'root'
    if (!used && !isDaemons) return ok('not used: rootless = false, and no virtiofsd with a user of its own')
    try {
      host.checkUidRange({ base, blocks })
      if (isDaemons) host.checkUpperIds()
      return ok(`${blocks} blocks of 65536 ids from ${base}, which no account uses`)
    } catch (error) {
      if (!(error instanceof KataError)) throw error
      return failed(error.rawMessage, error.remedy)
    }
  },
}

export const rootlessChecks: readonly Check[] = [rootless, account, uidRange]
