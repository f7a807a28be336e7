import { expect, test } from 'bun:test'

test('a host that allows no user namespaces is named, with the setting', () => {
  // The limit of a namespace of its own: the host's stays.
  const script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
  const code = `
    const { newUserNamespace } = await import('${import.meta.dir}/user-namespace.ts')
    const map = [{ inside: 0, outside: 0, count: 1 }]
    await newUserNamespace(map).catch((error) => console.log(String(error), error.remedy))`
  const argv = [
    'unshare',
    '--user',
    '--map-root-user',
    'sh',
    '-c',
    script,
    'sh',
    process.execPath,
    '-e',
    code,
  ]
  const { stdout, stderr } = Bun.spawnSync(argv)
  expect(stderr.toString()).toBe('')
  expect(stdout.toString()).toMatch(
    /\[USER_NAMESPACE_REFUSED\].*No space left on device.*user\.max_user_namespaces/,
  )
})
