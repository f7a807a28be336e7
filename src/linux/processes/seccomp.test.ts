import { expect, test } from 'bun:test'

const [SYS_getpid, SYS_ptrace, SYS_io_uring_setup] = [39, 101, 425]

/** What getpid, ptrace and io_uring_setup give in a process of its own, and ptrace in a child of that; and the filters that came. */
function errnos(before: string): unknown {
  const code = `
    const { setNoNewPrivs } = await import(${JSON.stringify(`${import.meta.dir}/capabilities.ts`)})
    const { allow, failWith, onCall, prologue } = await import(${JSON.stringify(`${import.meta.dir}/bpf.ts`)})
    const { filtersOf, setFilter } = await import(${JSON.stringify(`${import.meta.dir}/seccomp.ts`)})
    const { libc, lastErrno } = await import(${JSON.stringify(`${import.meta.dir}/../libc.ts`)})
    const before = filtersOf('self')
    ${before}
    const call = (nr) => (Number(libc.syscall(nr, 1000, 0, 0, 0, 0, 0)) === -1 ? lastErrno() : 'ok')
    const perl = 'print +(syscall(${SYS_ptrace}, 1000, 0, 0, 0) == -1) ? $!+0 : "ok"'
    const child = Bun.spawnSync(['perl', '-e', perl]).stdout.toString()
    console.log(JSON.stringify({ self: [${SYS_getpid}, ${SYS_ptrace}, ${SYS_io_uring_setup}].map(call), child, more: filtersOf('self') - before }))`
  const { stdout, stderr, exitCode } = Bun.spawnSync([process.execPath, '-e', code])
  expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: '' })
  return JSON.parse(stdout.toString())
}

test('what is denied is no call any more, here and in whatever is started from here; the rest goes on', () => {
  const denied = `[${SYS_ptrace}, ${SYS_io_uring_setup}].flatMap((number) => onCall(number, [failWith(38)]))`
  const filter = `setNoNewPrivs(); setFilter(Buffer.concat([...prologue(), ...${denied}, allow()]))`
  expect(errnos(filter)).toEqual({ self: ['ok', 'ENOSYS', 'ENOSYS'], child: '38', more: 1 })
})

test('control: without the filter the kernel looks at what is asked for', () => {
  expect(errnos('')).toEqual({ self: ['ok', 'ESRCH', 'EFAULT'], child: '3', more: 0 })
})
