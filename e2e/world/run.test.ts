/** The pod's world from the command line: options of `kata-ts run` that docker's users know, two machines for all. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hostState, leftBehind } from '../harness/host/host.ts'
import { Kata, scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'

setDefaultTimeout(slow(60_000))

let kata: Kata
let before: ReturnType<typeof hostState>
const area = scratch()
beforeAll(() => {
  kata = new Kata()
  before = hostState(kata.runDir)
})
afterAll(async () => {
  expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  await kata.close()
  area[Symbol.dispose]()
})

test('files of /etc, memory, limits, kernel parameters, capabilities and a seccomp profile are as asked', async () => {
  const profile = join(area.path, 'profile.json')
  const syscalls = [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 }]
  writeFileSync(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls }))
  const script = [
    'cat /etc/hostname; tail -2 /etc/hosts; cat /etc/resolv.conf; stat -c %a /etc',
    'df -k /dev/shm | tail -1; grep " /cache " /proc/mounts',
    'ulimit -n; ulimit -Hn; cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shmmax /proc/sys/vm/nr_hugepages',
    'grep -E "^(CapBnd|NoNewPrivs)" /proc/self/status; mkdir /x',
  ].join('\n')
  const { stdout, stderr, code } = await kata.run(['sh', '-c', script], {
    flags: [
      ...['--hostname', 'house', '--add-host', 'db:10.0.0.1', '--dns', '192.0.2.1', '--shm-size', '2m'],
      ...['--tmpfs', '/cache:size=1m,mode=700', '--ulimit', 'nofile=100:2000000'],
      ...['--sysctl', 'net.core.somaxconn=55', '--sysctl', 'kernel.shmmax=4096'],
      ...['--sysctl', 'vm.nr_hugepages=4'],
      ...['--cap-drop', 'ALL', '--cap-add', 'CHOWN', '--security-opt', 'no-new-privileges'],
      ...['--security-opt', `seccomp=${profile}`],
    ],
  })
  expect(stderr).toBe("mkdir: can't create directory '/x': No space left on device\n")
  expect(code).toBe(1)
  const lines = stdout.split('\n')
  expect(lines.slice(0, 5)).toEqual([
    'house',
    '127.0.1.1\thouse',
    '10.0.0.1\tdb',
    'nameserver 192.0.2.1',
    '755',
  ])
  expect(lines[5]).toMatch(/^shm +2048 /)
  expect(lines[6]).toMatch(/^tmpfs \/cache tmpfs rw,nosuid,nodev,noexec,.*size=1024k,mode=700/)
  expect(lines.slice(7, 12)).toEqual(['100', '2000000', '55', '4096', '4'])
  expect(lines.slice(12, 14)).toEqual(['CapBnd:\t0000000000000001', 'NoNewPrivs:\t1'])
})

test('privileged: the guest is all the container’s, the host none of it', async () => {
  const script =
    'grep CapEff /proc/self/status; ls /dev | grep -c .; test -e /dev/kvm; echo $?; mount -t tmpfs x /mnt && echo mounted'
  const { stdout, stderr } = await kata.run(['sh', '-c', script], { flags: ['--privileged'] })
  expect(stderr).toBe('')
  const [capabilities, devices, kvm, mounted] = stdout.split('\n')
  expect(capabilities).toBe('CapEff:\t000001ffffffffff')
  expect(Number(devices)).toBeGreaterThan(50)
  expect([kvm, mounted]).toEqual(['1', 'mounted'])
})

test('what is asked for wrongly is refused before anything is made', async () => {
  const { stderr, code } = await kata.run(['true'], { flags: ['--cap-add', 'FLY'] })
  expect(code).toBe(125)
  expect(stderr).toStartWith('kata-ts: [OPTION_INVALID]')
  const missing = await kata.run(['true'], { flags: ['--security-opt', 'seccomp=/no/such/profile'] })
  expect(missing.stderr).toContain('[SECCOMP_PROFILE] seccomp profile /no/such/profile')
})
