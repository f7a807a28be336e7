import { expect, test } from 'bun:test'
import { crunFailure } from './crun-failure.ts'

const of = (message?: string) => {
  const { code, reason, message: text } = crunFailure('create', 1, message)
  return [code, reason, text]
}

test.each([
  'executable file `no-such-command` not found in $PATH: No such file or directory',
  'executable file `/bin/nope` not found: No such file or directory',
  'cannot find `` in $PATH: No such file or directory',
  'exec container process (missing dynamic library?) `/bin/x`: No such file or directory',
  'exec container process `/script`: No such file or directory',
])('%s: not found', (words) => {
  expect(of(words)).toEqual(['not_found', 'COMMAND_NOT_FOUND', words])
})

test.each([
  'the path `/etc/passwd` exists but it is not executable: Operation not permitted',
  'the path `/etc` is not a regular file: Operation not permitted',
  'exec container process `/script`: Exec format error',
  'exec container process `/secret`: Permission denied',
])('%s: not executable', (words) => {
  expect(of(words)).toEqual(['permission_denied', 'COMMAND_NOT_EXECUTABLE', words])
})

test.each([
  ['chdir to `/zz`: No such file or directory', 'WORKDIR_INVALID'],
  ['chdir to `/etc/passwd`: Not a directory', 'WORKDIR_INVALID'],
  ['write to `/proc/sys/kernel/shmmax`: Invalid argument', 'SYSCTL_REFUSED'],
  ['mount `/run/kata-containers/shared/volumes/c-f` to `etc`: Not a directory', 'MOUNT_KIND'],
  ['the target `/proc` is invalid: Not a directory', 'MOUNT_KIND'],
  [
    'error creating directory `etc/passwd/x` since `etc/passwd` exists and it is not a directory: Not a directory',
    'MOUNT_KIND',
  ],
])('%s: what was asked for is wrong', (words, reason) => {
  expect(of(words)).toEqual(['invalid_argument', reason, words])
})

test.each(['creating cgroup: Permission denied', 'mount `/x not found`: No such file or directory'])(
  '%s: not the fault of the command',
  (words) => expect(of(words)).toEqual(['internal', undefined, words]),
)

test('no words at all', () => {
  expect(of()).toEqual(['internal', undefined, 'crun create ended with 1 and no message'])
})
