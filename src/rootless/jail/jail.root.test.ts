/**
 * The walls of the jail, tried from inside by perl (part of every Debian): each attack asserts its errno, and has a
 * control that shows the same act succeeding where it should.
 */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { busyboxPath, noBusybox } from '../../../setup/paths.ts'
import { programInterpreter } from '../../linux/files/elf.ts'
import { makeNode } from '../../linux/files/inode.ts'
import { mountPoints } from '../../linux/mounts/mount.ts'
import { landlockAbi } from '../../linux/processes/landlock.ts'
import { isAlive, processesOfUid } from '../../linux/processes/proc.ts'
import { waitGone } from '../../linux/processes/signal.ts'
import { silentLogger } from '../../log.ts'
import { baseSyscalls, directorySyscalls, processSyscalls } from '../filters/base-syscalls.ts'
import { readPosture } from '../posture/posture.ts'
import { expectedPosture, settledPosture } from '../posture/posture-check.ts'
import { waiterPosture } from '../posture/waiter-posture.ts'
import { launch } from './jail.ts'
import { planJail } from './jail-plan.ts'
import { buildJailRoot } from './jail-root.ts'
import type { JailPath, LaunchSpec, SyscallPolicy } from './launch-spec.ts'

const uid = 0x6f000000 + 65535
const identity = { name: 'kata-0', uid, gid: uid, groups: [993] }
let stateDir: string
let output: number

beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/jail-test-`)
  output = openSync(`${stateDir}/output`, 'a')
})
afterEach(() => {
  closeSync(output)
  rmSync(stateDir, { recursive: true })
})

/** Perl reads its -e from /dev/null. */
const devNull: JailPath = { source: '/dev/null', target: '/dev/null', access: 'read-write' }

/** Files and processes too, to show what becomes of them. */
const syscalls: SyscallPolicy = {
  allowed: [...baseSyscalls, ...directorySyscalls, ...processSyscalls],
  processes: true,
}

const specOf = (args: readonly string[], more: Partial<LaunchSpec> = {}): LaunchSpec => {
  const paths = [devNull, ...(more.paths ?? [])]
  const landlock = 'best-effort'
  return {
    program: '/usr/bin/perl',
    args,
    identity,
    syscalls,
    fds: [],
    output,
    stateDir,
    landlock,
    ...more,
    paths,
  }
}

/** What perl prints in the jail. */
async function perl(code: string, more: Partial<LaunchSpec> = {}): Promise<string> {
  const { exited } = await launch(specOf(['-e', code], more), silentLogger)
  await exited
  return readFileSync(`${stateDir}/output`, 'utf8')
}

/** Perl that does `act` and prints `ok` or the number of the errno. */
const attempt = (act: string) => `$!=0; print((${act}) ? "ok" : 0+$!, "\\n");`
const EPERM = '1'
const ENOENT = '2'
const ESRCH = '3'
const EACCES = '13'
const EROFS = '30'
const ENOSYS = '38'

describe('walls from inside', () => {
  test('sees only what was named', async () => {
    writeFileSync(`${stateDir}/kernel`, 'bytes')
    const paths: JailPath[] = [{ source: `${stateDir}/kernel`, target: '/boot/vmlinuz', access: 'read' }]
    const acts = [
      '/boot/vmlinuz',
      '/etc/passwd',
      '/proc/self/status',
      '/sys/kernel',
      '/dev/kvm',
      '/dev/zero',
      '/root',
    ]
    const seen = await perl(acts.map((path) => attempt(`lstat "${path}"`)).join(''), { paths })
    expect(seen.trim().split('\n')).toEqual(['ok', ...Array(6).fill(ENOENT)])
  })

  test('sees a layer of a file system that asks who comes by an overlay of it and an empty one', () => {
    for (const path of ['layer', 'layer/inside']) mkdirSync(`${stateDir}/${path}`)
    const spec = specOf([], { tree: { target: '/tree/merged', layers: [`${stateDir}/layer`] } })
    const { root } = buildJailRoot(
      stateDir,
      planJail(spec, () => true),
      spec.syscalls,
    )
    const script =
      'cd "$1/.." && mount -n -a -T fstab && cd "$1/tree/merged" && ls && findmnt -no FSTYPE -T .'
    const { stdout, stderr } = Bun.spawnSync(['unshare', '--mount', 'sh', '-c', script, 'sh', root])
    expect([`${stdout}`, `${stderr}`]).toEqual(['inside\noverlay\n', ''])
  })

  test('writes only where it was allowed to', async () => {
    mkdirSync(`${stateDir}/shared`, { mode: 0o777 })
    Bun.spawnSync(['/usr/bin/chown', `${uid}`, `${stateDir}/shared`])
    const paths: JailPath[] = [{ source: `${stateDir}/shared`, target: '/run', access: 'read-write' }]
    const acts = ['/run/file', '/dev/null', '/file', '/usr/file', '/boot'].map((path) =>
      attempt(`open F, ">", "${path}"`),
    )
    const said = await perl(acts.join(''), { paths })
    expect(said.trim().split('\n')).toEqual(['ok', 'ok', EROFS, EROFS, EROFS])
  })

  test.skipIf(landlockAbi() === 0)('makes files where it may write, and no directories', async () => {
    mkdirSync(`${stateDir}/shared`)
    Bun.spawnSync(['/usr/bin/chown', `${uid}`, `${stateDir}/shared`])
    const paths: JailPath[] = [{ source: `${stateDir}/shared`, target: '/run', access: 'read-write' }]
    const acts = ['open F, ">", "/run/file"', 'unlink "/run/file"', 'mkdir "/run/d"']
    const said = await perl(acts.map(attempt).join(''), { paths })
    expect(said.trim().split('\n')).toEqual(['ok', 'ok', EACCES])
  })

  test.skipIf(landlockAbi() === 0)('executes nothing but the program', async () => {
    // The first is not there, the second was needed to start the program. The third may be read: Landlock's word about execution holds it.
    const library = `${dirname(realpathSync(programInterpreter('/usr/bin/perl')!))}/libc.so.6`
    expect(statSync(library).mode & 0o111).toBe(0o111)
    const acts = ['/usr/bin/true', '/usr/bin/env', library].flatMap((path) => [
      attempt(`open F, "<", "${path}"`),
      attempt(`exec { "${path}" } "true"`),
    ])
    const said = (await perl(acts.join(''))).trim().split('\n')
    expect(said).toEqual([ENOENT, ENOENT, EACCES, EACCES, 'ok', EACCES])
  })

  test('control: the program itself may be executed again', async () => {
    expect(await perl('exec { "/usr/bin/perl" } "perl", "-e", "print q(again)" if $0 eq "-e"')).toBe('again')
  })

  test('system calls that lead out are refused by the filter, before any capability is asked', async () => {
    // unshare(CLONE_NEWUSER) needs no capability: outside of the filter it succeeds.
    const calls = {
      unshare: '272, 0x10000000',
      setns: '308, 0, 0',
      mount: '165, 0, 0, 0, 0, 0',
      keyctl: '250, 0, -3, 0',
    }
    const more = {
      bpf: '321, 0, 0, 0',
      ptrace: '101, 0, 0, 0, 0',
      io_uring_setup: '425, 1, 0',
      chroot: '161, 0',
    }
    const acts = Object.values({ ...calls, ...more }).map((call) => attempt(`syscall(${call}) != -1`))
    const said = await perl(acts.join('') + attempt('syscall(39) != -1'))
    expect(said.trim().split('\n')).toEqual([...acts.map(() => ENOSYS), 'ok'])
    const outside = [
      '--reuid',
      `${uid}`,
      '--clear-groups',
      '/usr/bin/perl',
      '-e',
      attempt('syscall(272, 0x10000000) == 0'),
    ]
    expect(Bun.spawnSync(['/usr/bin/setpriv', ...outside]).stdout.toString()).toBe('ok\n')
  })

  test('cannot signal or become another user, nor raise limits', async () => {
    const victim = Bun.spawn(['/usr/bin/sleep', '100'])
    const acts = [
      attempt(`kill 0, ${victim.pid}`),
      attempt('kill 0, $$'),
      attempt('syscall(105, 0) == 0'),
      attempt('syscall(106, 0) == 0'),
      attempt('$limit = pack(q(QQ), 4096, 4096), syscall(302, 0, 7, $limit, 0) == 0'),
    ]
    expect((await perl(acts.join(''))).trim().split('\n')).toEqual([ESRCH, 'ok', ENOSYS, ENOSYS, EPERM])
    victim.kill()
    await victim.exited
  })

  test('is the first process of a pid namespace: it sees no other, and its end is the end of all it left', async () => {
    const left = 'if (!fork) { setpgrp; $SIG{TERM} = "IGNORE"; sleep 100 while 1 }'
    const { exited, ref, waiter } = await launch(
      specOf(['-e', `$|=1; ${left}; print "$$ "; print getppid, " "; <STDIN>; sleep 100`]),
      silentLogger,
    )
    while (readFileSync(`${stateDir}/output`, 'utf8').split(' ').length < 3) await Bun.sleep(1)
    expect(readFileSync(`${stateDir}/output`, 'utf8')).toBe('1 0 ')
    expect(processesOfUid(uid)).toHaveLength(3)
    expect(processesOfUid(uid)).toEqual(expect.arrayContaining([waiter.pid, ref.pid]))
    process.kill(ref.pid, 'SIGKILL')
    await exited
    expect(processesOfUid(uid)).toEqual([])
  })

  test('cannot undo that it ends with the runtime', async () => {
    // PR_SET_PDEATHSIG, and PR_GET_PDEATHSIG: SIGKILL.
    const undo = attempt('syscall(157, 1, 0) == 0')
    const said = await perl(
      `${undo} $signal = pack q(i), 0; syscall(157, 2, $signal); print unpack q(i), $signal`,
    )
    expect(said).toBe(`${EPERM}\n9`)
    expect(Bun.spawnSync(['/usr/bin/perl', '-e', undo]).stdout.toString()).toBe('ok\n')
  })

  test('its waiter has no descriptor, capability or filter that it should not have', async () => {
    const fds = [
      openSync('/etc/hostname', 'r'),
      ...Array.from({ length: 12 }, () => openSync('/dev/null', 'r')),
    ]
    const { exited, ref, waiter } = await launch(specOf(['-e', 'sleep 100'], { fds }), silentLogger)
    // The control has them all, and what a program opens while it starts.
    expect(Object.keys(readPosture(ref.pid).descriptors).length).toBeGreaterThanOrEqual(16)
    const waiting = waiterPosture(expectedPosture(specOf([], { fds }), { seccompFilters: 1 }))
    await settledPosture(waiter.pid, waiting)
    process.kill(ref.pid, 'SIGKILL')
    await exited
    for (const fd of fds) closeSync(fd)
  })

  test('has no environment, its own host name and only its descriptors', async () => {
    const given = openSync('/etc/hostname', 'r')
    const fds = 'print join ",", grep { syscall(72, $_, 1, 0) != -1 } 0..50;'
    expect(
      await perl(`print scalar(keys %ENV), " "; require POSIX; print +(POSIX::uname())[1], " "; ${fds}`, {
        fds: [given],
      }),
    ).toBe('0 kata 0,1,2,3')
    closeSync(given)
  })

  test('has huge pages as the host gives them, or none', async () => {
    const code = 'print syscall(157, 42, 0, 0, 0, 0)' // prctl(PR_GET_THP_DISABLE)
    await perl(code)
    await perl(code, { smallPages: true })
    // A kernel without them does not know the call.
    expect(['010', '-1-1-1']).toContain(await perl(code))
  })

  test('a stdout of its own: what is printed there comes nowhere else, and no other descriptor is added', async () => {
    const stdout = openSync(`${stateDir}/stdout`, 'a')
    const fd = openSync(`${stateDir}/handed`, 'w+')
    const code = 'print "out"; print STDERR "err";'
    const opened = 'for (3 .. 9) { open(my $f, ">&=", $_) and print STDERR " $_" }'
    await perl(`${code} ${opened}`, { stdout, fds: [fd] })
    closeSync(stdout)
    closeSync(fd)
    expect(readFileSync(`${stateDir}/stdout`, 'utf8')).toBe('out')
    expect(readFileSync(`${stateDir}/output`, 'utf8')).toBe('err 3')
  })

  test('a directory for device nodes: only root makes them, and only this jail sees them', async () => {
    const program = [
      '-e',
      `$|=1; print "up"; sleep 1 until open(F, "<", "/disks/zero"); read(F, $x, 3); print length $x;`,
    ]
    const make = attempt('mkdir "/disks/x"') + attempt('open(F, ">", "/disks/y")')
    const { ref, exited } = await launch(
      specOf([program[0]!, make + program[1]!], { nodeDirs: ['/disks'] }),
      silentLogger,
    )
    const directory = `/proc/${ref.pid}/root/disks`
    // By its descriptor the node is there also once the program has read it, and has ended.
    const held = openSync(directory, 'r')
    expect(statSync(directory)).toMatchObject({ uid: 0, mode: 0o040711 })
    const mounted = readFileSync(`/proc/${ref.pid}/mountinfo`, 'utf8').split('\n')
    expect(mounted.find((line) => line.includes(' /disks '))).toMatch(/ rw,size=64k,nr_inodes=128,mode=711/)
    makeNode(`${directory}/zero`, { type: 'character', device: 0x105, uid, mode: 0o600 })
    expect(statSync(`/proc/self/fd/${held}/zero`)).toMatchObject({ uid, rdev: 0x105, mode: 0o020600 })
    closeSync(held)
    expect(existsSync('/disks')).toBe(false)
    await exited
    expect(readFileSync(`${stateDir}/output`, 'utf8')).toBe(`${EACCES}\n${EACCES}\nup3`)
  })

  test('rootless off keeps every wall but the uid', async () => {
    const root = { name: 'root', uid: 0, gid: 0, groups: [] }
    const acts = [
      attempt('$< == 0 && $> == 0'),
      attempt('open F, ">", "/usr/file"'),
      attempt('syscall(165, 0, 0, 0, 0, 0) != -1'),
      attempt('syscall(105, 65534) == 0'),
      attempt('lstat "/etc/shadow"'),
    ]
    const said = await perl(acts.join(''), { identity: root })
    expect(said.trim().split('\n')).toEqual(['ok', EROFS, ENOSYS, ENOSYS, ENOENT])
  })
})

describe('launch', () => {
  test('passes arguments and paths with every odd character unchanged', async () => {
    const odd = `a b\t$(id)\n"'\\;é`
    mkdirSync(`${stateDir}/${odd}`)
    writeFileSync(`${stateDir}/${odd}/file`, 'content')
    const paths: JailPath[] = [{ source: `${stateDir}/${odd}`, target: `/data ${odd}`, access: 'read' }]
    const args = ['-e', 'open F, "<", "$ARGV[0]/file" or die $!; print $ARGV[0], <F>', `/data ${odd}`]
    const { exited } = await launch(specOf(args, { paths }), silentLogger)
    expect(await exited).toEqual({ code: 0, signal: null })
    expect(readFileSync(`${stateDir}/output`, 'utf8')).toBe(`/data ${odd}content`)
  })

  test('is in a session of its own, which no terminal reaches', async () => {
    const sessionOf = (pid: number) => Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[5])
    const { exited, ref, waiter } = await launch(specOf(['-e', 'sleep 100']), silentLogger)
    const control = Bun.spawn(['/usr/bin/sleep', '100'])
    expect([ref, waiter, control].map(({ pid }) => sessionOf(pid))).toEqual([
      ...[waiter.pid, waiter.pid, sessionOf(process.pid)],
    ])
    process.kill(ref.pid, 'SIGKILL')
    control.kill('SIGKILL')
    await Promise.all([exited, control.exited])
  })

  test('reports how the program ended, and mounts nothing on the host', async () => {
    const { exited, ref } = await launch(specOf(['-e', 'sleep 100']), silentLogger)
    expect(mountPoints().filter((point) => point.startsWith(stateDir))).toEqual([])
    process.kill(ref.pid, 'SIGKILL')
    expect(await exited).toEqual({ code: null, signal: 'SIGKILL' })
  })

  test.each([
    ['$SIG{TERM} = sub { exit 7 }; kill TERM, 1', { code: 7, signal: null }],
    ['exit 126', { code: 126, signal: null }],
    ['unpack "p", pack "Q", 1', { code: null, signal: 'SIGSEGV' }],
  ] as const)('tells how %s ended', async (code, end) => {
    const { exited } = await launch(specOf(['-e', `print "up"; $|=1; ${code}`]), silentLogger)
    expect(await exited).toEqual(end)
  })

  test.skipIf(noBusybox !== '')(
    `a program outside of /usr is bound at its own path${noBusybox}`,
    async () => {
      writeFileSync(`${stateDir}/busybox`, readFileSync(busyboxPath), { mode: 0o755 })
      Bun.spawnSync(['/usr/bin/chmod', '755', stateDir])
      const { exited } = await launch(
        specOf(['echo', 'here'], { program: `${stateDir}/busybox` }),
        silentLogger,
      )
      expect(await exited).toEqual({ code: 0, signal: null })
      expect(readFileSync(`${stateDir}/output`, 'utf8')).toBe('here\n')
    },
  )

  test.each([
    [
      'missing program',
      { program: '/usr/bin/no-such-vmm' },
      /JAIL_SPEC_INVALID.*no-such-vmm cannot be opened \(ENOENT\)/,
    ],
    [
      'relative target',
      { paths: [{ source: '/dev/null', target: 'dev', access: 'read' }] },
      /JAIL_SPEC_INVALID/,
    ],
    [
      'climbing target',
      { paths: [{ source: '/dev/null', target: '/a/../b', access: 'read' }] },
      /JAIL_SPEC_INVALID/,
    ],
    [
      'missing source',
      { paths: [{ source: '/none', target: '/none', access: 'read' }] },
      /JAIL_SPEC_INVALID.*\/none/,
    ],
    [
      'write below /usr',
      { paths: [{ source: '/usr/lib', target: '/usr/lib', access: 'read-write' }] },
      /in or over/,
    ],
    ['group 0', { identity: { ...identity, groups: [0] } }, /JAIL_SPEC_INVALID.*group 0/],
    [
      'not executable',
      { program: '/usr/share/seabios/bios-256k.bin' },
      /JAIL_FAILED.*step confine.*exit code 126/,
    ],
  ] as [string, Partial<LaunchSpec>, RegExp][])('%s is refused', async (_, more, message) => {
    await expect(launch(specOf(['-e', '1'], more), silentLogger)).rejects.toThrow(message)
  })

  test('a state directory that others can write, or that is another’s, is refused', async () => {
    chownSync(stateDir, uid, uid)
    await expect(launch(specOf(['-e', '1']), silentLogger)).rejects.toThrow(
      /^\[JAIL_SPEC_INVALID\].*is not a directory that only root can write/,
    )
    chownSync(stateDir, 0, 0)
    for (const mode of [0o720, 0o702]) {
      chmodSync(stateDir, mode)
      await expect(launch(specOf(['-e', '1']), silentLogger)).rejects.toThrow(
        /^\[JAIL_SPEC_INVALID\].*is not a directory that only root can write/,
      )
    }
  })

  test('a failing set-up names its step and leaves no process', async () => {
    // Without CAP_SYS_ADMIN in the caller nothing can be unshared.
    const code = `
      import { launch } from '${import.meta.dir}/jail.ts'
      import { silentLogger } from '${import.meta.dir}/../../log.ts'
      await launch(JSON.parse(process.argv[1]), silentLogger).catch((error) => console.log(error.message))`
    const spec = JSON.stringify({ ...specOf(['-e', '1']), output: 2 })
    const run = Bun.spawnSync([
      '/usr/bin/setpriv',
      '--bounding-set=-sys_admin',
      process.execPath,
      '-e',
      code,
      spec,
    ])
    expect(run.stdout.toString()).toMatch(
      /JAIL_FAILED.*step unshare failed \(exit code 1\).*Operation not permitted/,
    )
  })

  test('has none of the groups that its launcher has', async () => {
    const code = `
      import { launch } from '${import.meta.dir}/jail.ts'
      import { readPosture } from '${import.meta.dir}/../posture/posture.ts'
      import { silentLogger } from '${import.meta.dir}/../../log.ts'
      const groupsOf = (pid) => readPosture(pid).threads[0].groups
      const spec = JSON.parse(process.argv[1])
      for (const groups of [[], [993]]) {
        const asked = { ...spec, identity: { ...spec.identity, groups } }
        const { ref, waiter, exited } = await launch(asked, silentLogger)
        console.log(JSON.stringify([process.pid, waiter.pid, ref.pid].map(groupsOf)))
        process.kill(ref.pid, 'SIGKILL')
        await exited
      }`
    const spec = JSON.stringify({ ...specOf(['-e', 'sleep 100']), output: 2 })
    const run = Bun.spawnSync(['/usr/bin/setpriv', '--groups', '4,6', process.execPath, '-e', code, spec])
    // The launcher itself is the control.
    expect(run.stdout.toString()).toBe('[[4,6],[],[]]\n[[4,6],[993],[993]]\n')
  })

  test('the end of the parent is the end of the child, however it came', async () => {
    const code = `
      import { launch } from '${import.meta.dir}/jail.ts'
      import { silentLogger } from '${import.meta.dir}/../../log.ts'
      const { ref } = await launch(JSON.parse(process.argv[1]), silentLogger)
      console.log(JSON.stringify(ref))
      setTimeout(() => {}, 100_000)`
    const spec = JSON.stringify({ ...specOf(['-e', 'sleep 100']), output: 2 })
    const parent = Bun.spawn([process.execPath, '-e', code, spec], { stderr: 'ignore' })
    const { value } = await parent.stdout.getReader().read()
    const ref = JSON.parse(Buffer.from(value!).toString())
    expect(isAlive(ref)).toBe(true)
    parent.kill('SIGKILL')
    await parent.exited
    expect(await waitGone(ref, 5000)).toBe(true)
  })

  test('an aborted launch throws the reason and leaves nothing', async () => {
    const controller = new AbortController()
    const started = launch(specOf(['-e', 'sleep 100']), silentLogger, { signal: controller.signal })
    controller.abort(new Error('no longer wanted'))
    await expect(started).rejects.toThrow('no longer wanted')
  })
})
