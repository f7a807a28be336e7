/** Kernel modules that a guest loads when a container needs them, and those that it refuses. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { requireImage } from '../src/guest-image/guest-image.ts'
import { Kata, scratch } from './harness/kata.ts'
import { OpenCount } from './harness/open-count.ts'
import { shippedConfiguration } from './harness/vmm.ts'

let kata: Kata
beforeAll(() => {
  kata = new Kata()
})
afterAll(() => kata.close())

const admin = ['--cap-add', 'NET_ADMIN']
const script = (text: string, flags: readonly string[] = admin) => kata.run(['sh', '-c', text], { flags })
/** First words of lines: names in /proc/modules. */
const firstWords = (text: string): string[] => text.split('\n').map((line) => line.split(' ')[0]!)

/** A container that runs, for several questions to one guest. */
function running(name: string, flags: readonly string[]) {
  beforeAll(async () => {
    const started = await kata.call(['run', '-d', '--name', name, ...flags, '--', 'sleep', '600'])
    expect(started).toMatchObject({ code: 0, stderr: '' })
  })
  afterAll(() => kata.call(['rm', '-f', name]))
  return (text: string) => kata.call(['exec', name, '--', 'sh', '-c', text])
}

describe('a container with CAP_NET_ADMIN', () => {
  const ask = running('admin', admin)
  /** Modules before and after the command, and what it said. */
  const loads = async (command: string) => {
    const { stdout, stderr } = await ask(`cat /proc/modules; echo --; ${command}; echo --; cat /proc/modules`)
    const [before = '', said = '', after = ''] = stdout.split('--\n')
    return { before: firstWords(before), said: said.split('\n'), after: firstWords(after), stderr }
  }

  test.each([
    ['bridge', 'bridge'],
    ['veth', 'veth'],
    ['wireguard', 'wireguard'],
    ['dummy', 'dummy'],
    ['ifb', 'ifb'],
    ['bond', 'bonding'],
  ])('makes an interface of type %s, whose driver comes by that', async (type, module) => {
    const { before, said, after, stderr } = await loads(
      `ip link add our-${type} type ${type} && ls /sys/class/net`,
    )
    expect(stderr).toBe('')
    expect(before).not.toContain(module)
    expect(said).toContain(`our-${type}`)
    expect(after).toContain(module)
  })

  // These need more than a type to be made, which busybox cannot say.
  test.each(['macvlan', 'vxlan', 'ipip', 'ip6tnl', 'geneve', 'ipvlan', 'vrf'])(
    'gets the driver of %s interfaces by asking for one',
    async (type) => {
      const module = { ip6tnl: 'ip6_tunnel' }[type as 'ip6tnl'] ?? type
      const { before, after } = await loads(`ip link add ours type ${type} 2>/dev/null`)
      expect([before.includes(module), after.includes(module)]).toEqual([false, true])
    },
  )
})

describe('packet filters', () => {
  /** The host's own program, with its libraries, as far as it has it. */
  const program = (name: string, args: string) => {
    const lib = '/host/lib/x86_64-linux-gnu'
    return `XTABLES_LOCKFILE=/lock XTABLES_LIBDIR=${lib}/xtables ${lib}/ld-linux-x86-64.so.2 --library-path ${lib} /host/sbin/${name} ${args}`
  }
  const families = ['iptables', 'ip6tables']
  const without = existsSync('/usr/sbin/xtables-nft-multi') ? '' : ' (skipped: this host has no iptables)'
  const ask =
    without === ''
      ? running('filters', [...admin, '--cap-add', 'NET_RAW', '-v', '/usr:/host:ro'])
      : () => Promise.reject(new Error(without))

  test.skipIf(without !== '').each(families)(
    `%s with nftables beneath takes rules of every kind${without}`,
    async (family) => {
      const rule = (args: string) => program('xtables-nft-multi', `${family} ${args}`)
      const { stdout, stderr, code } = await ask(
        [
          rule('-A INPUT -p tcp --dport 80 -m conntrack --ctstate NEW -j ACCEPT'),
          rule('-t nat -A POSTROUTING -j MASQUERADE'),
          rule('-t mangle -A PREROUTING -m mark --mark 1 -j MARK --set-mark 2'),
          rule('-t nat -S POSTROUTING'),
        ].join(' && '),
      )
      expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
      expect(stdout).toContain('-A POSTROUTING -j MASQUERADE')
    },
  )

  test.skipIf(without !== '').each(families)(`%s with the legacy tables does${without}`, async (family) => {
    const rule = (args: string) => program('xtables-legacy-multi', `${family} ${args}`)
    const { stdout, stderr, code } = await ask(
      [
        rule('-A INPUT -p tcp --dport 80 -m conntrack --ctstate NEW -j ACCEPT'),
        rule('-t nat -A POSTROUTING -j MASQUERADE'),
        rule('-t raw -S'),
        rule('-t nat -S POSTROUTING'),
      ].join(' && '),
    )
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
    expect(stdout).toContain('-A POSTROUTING -j MASQUERADE')
  })
})

describe('a privileged container', () => {
  const ask = running('privileged', ['--privileged'])

  test('mounts a file through a loop device', async () => {
    const { stdout, stderr, code } = await ask(
      'dd if=/dev/zero of=/disk bs=1M count=4 2>/dev/null && mkdir /on && losetup /dev/loop0 /disk && ' +
        'mke2fs /dev/loop0 >/dev/null && mount -t ext4 /dev/loop0 /on && ls /on',
    )
    expect({ stdout, stderr, code }).toEqual({ stdout: 'lost+found\n', stderr: '', code: 0 })
  })

  test('has the file systems that it mounts, and overlays', async () => {
    const { stdout } = await ask(
      'mkdir /a /c /d; mount -t tmpfs t /a && mkdir /a/l /a/u /a/w && mount -t overlay -o lowerdir=/a/l,upperdir=/a/u,workdir=/a/w o /c && echo overlaid; ' +
        'for type in nfs4 cifs xfs btrfs squashfs; do mount -t $type none /d 2>/dev/null; done; cat /proc/filesystems',
    )
    expect(stdout).toContain('overlaid\n')
    const known = stdout.split('\n').map((line) => line.split('\t')[1])
    expect(known).toEqual(expect.arrayContaining(['nfs4', 'cifs', 'xfs', 'btrfs', 'squashfs']))
  })

  test('has /dev/net/tun', async () => {
    const { stdout } = await ask('ls -l /dev/net/tun; : </dev/net/tun; cat /proc/misc')
    expect(stdout).toMatch(/^crw.* 10, 200 .*\n[\s\S]*200 tun\n/)
  })
})

describe('what is not listed', () => {
  const ask = running('asks', admin)

  test('is refused, and the console tells it once a line, as plain text', async () => {
    const console = () => readFileSync(`${kata.runDir}/default/asks/console.log`, 'utf8')
    for (const type of ['hsr', 'a\nkata-agent lies', '../../init']) {
      const { code, stderr } = await ask(`ip link add ours type '${type}'`)
      expect(code).not.toBe(0)
      expect(stderr).toContain('Operation not supported')
    }
    expect(console()).toContain(
      'kata-agent refuses kernel module rtnl-link-hsr: the guest image does not list it',
    )
    expect(console()).toContain('kata-agent refuses kernel module rtnl-link-a?kata-agent?lies: ')
    expect(console()).toContain('kata-agent refuses kernel module rtnl-link-../../init: ')

    await ask('for i in $(seq 40); do ip link add ours type no$i 2>/dev/null; done')
    const lines = console().match(/refuses kernel module/g)!.length
    expect(lines).toBeGreaterThanOrEqual(10)
    // Ten a minute, and a minute may have ended meanwhile.
    expect(lines).toBeLessThanOrEqual(20)
  })

  test('comes by no other way: a container may not load a module itself', async () => {
    const { stderr, code } = await ask('echo x >/x.ko; insmod /x.ko')
    expect(stderr).toContain('Operation not permitted')
    expect(code).not.toBe(0)
  })
})

test('a pod that needs no module opens none: only their sum is checked', async () => {
  using opened = new OpenCount(requireImage().modules!)
  expect((await kata.run(['true'])).code).toBe(0)
  expect(opened.take()).toBe(1)
  expect((await script('ip link add ours type bridge')).code).toBe(0)
  expect(opened.take()).toBeGreaterThan(1)
})

describe('kernel_modules', () => {
  /** Flags for a configuration with these. */
  const configured = (dir: string, ...modules: string[]) => {
    const file = `${dir}/configuration.toml`
    writeFileSync(
      file,
      shippedConfiguration().replace('kernel_modules = []', `kernel_modules = ${JSON.stringify(modules)}`),
    )
    return ['--config', file]
  }

  test('names any module of the image, with parameters; one may ask for others while it is loaded', async () => {
    using dir = scratch()
    const flags = configured(dir.path, 'virtio_balloon', 'dummy numdummies=3', 'btrfs')
    const { stdout, stderr } = await script('cat /proc/modules', flags)
    expect(stderr).toBe('')
    expect(firstWords(stdout)).toEqual(expect.arrayContaining(['dummy', 'btrfs', 'virtio_balloon']))
  })

  test('that the image has not is an error that names it', async () => {
    using dir = scratch()
    const { code, stderr } = await script('true', configured(dir.path, 'no_such'))
    expect(code).toBe(125)
    expect(stderr).toContain('kernel module no_such is not in the guest image')
  })
})
