/** Images from containers and back, with a double of the shim: no machine is needed for files of the host. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { makeWhiteout } from '../../../linux/files/inode.ts'
import { until } from '../../../time.ts'

setDefaultTimeout(60_000)

let base: string
beforeEach(() => {
  base = mkdtempSync('/var/tmp/kata-ts-image-cli-')
  mkdirSync(`${base}/root/etc`, { recursive: true })
  writeFileSync(`${base}/root/etc/old`, 'old')
  writeFileSync(`${base}/root/kept`, 'kept')
})
afterEach(async () => {
  await kata('rm', '--force', 'c')
  rmSync(base, { recursive: true })
})

const host = `${import.meta.dir}/../../client/client.host.ts`

async function kata(...args: string[]) {
  const child = Bun.spawn([process.execPath, host, base, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { stdout, stderr, code }
}
const ok = async (...args: string[]) => {
  const outcome = await kata(...args)
  expect([args, outcome.code, outcome.code === 0 ? '' : outcome.stderr]).toEqual([args, 0, ''])
  return outcome.stdout
}
const directory = () => `${base}/state/containers/default/c`

test('what a container has changed: diff, export, import, commit, save, load', async () => {
  await ok('run', '--name', 'c', '--rootfs', `${base}/root`, '--', 'true')
  expect(await ok('diff', 'c')).toBe('')
  writeFileSync(`${directory()}/upper/new`, 'new')
  makeWhiteout(`${directory()}/upper/etc/old`)
  expect(await ok('diff', 'c')).toBe('C /etc\nD /etc/old\nA /new\n')

  const tar = `${base}/files.tar`
  await ok('export', '--output', tar, 'c')
  expect(statSync(tar).mode & 0o777).toBe(0o600)
  const listed = Bun.spawnSync(['tar', '-tf', tar]).stdout.toString().split('\n').sort()
  expect(listed).toEqual(['', './', 'etc/', 'kept', 'new'])

  const id = (await ok('import', '--change', 'CMD ["true"]', tar, 'files:1')).trim()
  expect(id).toMatch(/^sha256:[0-9a-f]{64}$/)
  const digest = `sha256:${new Bun.CryptoHasher('sha256').update(readFileSync(tar)).digest('hex')}`
  const layers = await ok('inspect', '--format', '{{join .RootFS.Layers " "}}', 'files:1')
  expect(layers).toBe(`${digest}\n`)
  // What an image does not set is there and empty, as in docker.
  const config = '{{.Config.Cmd}} {{.Config.Entrypoint}} {{len .Config.ExposedPorts}} {{.Config.Labels.a}}.'
  expect(await ok('inspect', '--format', config, 'files:1')).toBe('[true] [] 0 .\n')
  await ok('commit', '--author', 'me', '-m', 'by hand', 'c', 'made:1')
  expect(await ok('history', 'made:1')).toMatch(/^AGE +SIZE +COMMENT +CREATED BY\n.* by hand +.*true.*\n/)
  await ok('tag', 'made:1', 'made:2')
  const [facts] = JSON.parse(await ok('image', 'inspect', 'made:2'))
  const made = JSON.parse(await ok('images', '--format', 'json')).at(-1).id
  expect(facts).toMatchObject({
    Id: made,
    Architecture: 'amd64',
    Os: 'linux',
    Author: 'me',
    RepoTags: ['docker.io/library/made:1', 'docker.io/library/made:2'],
    RootFS: { Type: 'layers', Layers: [expect.stringMatching(/^sha256:/)] },
  })
  // A container comes first, an image otherwise, as docker does.
  expect(await ok('inspect', '--format', '{{.Id}}', 'made:1')).toBe(`${made}\n`)
  expect(await kata('inspect', '--type', 'container', 'made:1')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('[NAME_INVALID]'),
  })
  expect(await kata('image', 'inspect', 'c')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('[IMAGE_NOT_STORED]'),
  })
  expect((await kata('inspect', 'made:9')).stderr).toContain('[IMAGE_NOT_STORED]')
  expect((await kata('inspect', 'nobody')).stderr).toContain('[CONTAINER_NOT_FOUND]')
  expect((await kata('inspect', 'No:Body:')).stderr).toContain('[NAME_INVALID]')
  expect((await kata('inspect', '--type', 'task', 'c')).stderr).toContain('container, image')

  const archive = `${base}/made.tar`
  await ok('save', '-o', archive, 'made:1', 'made:2')
  expect(await ok('rmi', 'made:1', 'made:2')).toBe('made:1\nmade:2\n')
  expect(await ok('load', '-q', '-i', archive)).toBe(
    'Loaded image: docker.io/library/made:1\nLoaded image: docker.io/library/made:2\n',
  )
  await ok('run', '--rm', '--pull', 'never', 'made:2')
  // And an image of an image, whose layers it keeps.
  await ok('rm', 'c')
  await ok('run', '--name', 'c', '--pull', 'never', 'files:1')
  writeFileSync(`${directory()}/upper/newer`, 'newer')
  await ok('commit', 'c', 'made:3')
  expect(JSON.parse(await ok('history', '--format', 'json', 'made:3'))).toHaveLength(2)
})

test('history fits its lines into the terminal, and nowhere else', async () => {
  const words = 'word '.repeat(60).trim()
  await ok('run', '--name', 'c', '--rootfs', `${base}/root`, '--', 'true', words)
  await ok('commit', '-m', 'a remark that is longer than its column', 'c', 'long:1')
  const shown = async (...args: string[]): Promise<string[]> => {
    const output: string[] = []
    const child = Bun.spawn([process.execPath, host, base, 'history', ...args, 'long:1'], {
      terminal: { cols: 70, rows: 24, data: (_, chunk) => void output.push(Buffer.from(chunk).toString()) },
    })
    expect(await child.exited).toBe(0)
    await until(() => /word.*\r\n/.test(output.join('')), { timeoutMs: 20_000, everyMs: 10 })
    return output.join('').split('\r\n')
  }
  const cut = await shown()
  expect(Math.max(...cut.map((line) => line.length))).toBe(70)
  expect(cut[1]).toMatch(/ a remark that is longer +true word .*\.\.\.$/)
  const whole = ` a remark that is longer than its column  true ${words}`
  expect((await ok('history', 'long:1')).split('\n')[1]).toEndWith(whole)
  expect((await shown('--no-trunc'))[1]).toContain(words)
})

test('images are listed as docker lists them: by name, by a template, and with whole ids', async () => {
  Bun.spawnSync(['tar', '-cf', `${base}/files.tar`, '-C', `${base}/root`, '.'])
  for (const name of ['app:1', 'app:2', 'quay.io/team/app:1']) await ok('import', `${base}/files.tar`, name)
  const names = (...args: string[]) => ok('images', '--format', '{{.Repository}}:{{.Tag}}', ...args)
  expect(await names('-a')).toBe('app:1\napp:2\nquay.io/team/app:1\n')
  expect(await names('app')).toBe('app:1\napp:2\n')
  expect(await names('app:2')).toBe('app:2\n')
  expect(await names('--filter', 'reference=quay.io/team/app')).toBe('quay.io/team/app:1\n')
  expect(await names('ap')).toBe('')
  expect(await ok('image', 'ls', '--format', 'table {{.Tag}}\\t{{.Repository}}', 'app:1')).toBe(
    'TAG  REPOSITORY\n1    app\n',
  )
  expect(await ok('images', '--quiet', '--no-trunc', 'app:1')).toMatch(/^sha256:[0-9a-f]{64}\n$/)
  expect((await kata('images', '--filter', 'dangling=true')).stderr).toContain('[OPTION_INVALID]')
  expect((await kata('images', '--format', '{{.Nothing}}')).stderr).toContain('[TEMPLATE_INVALID]')
})

test('what is no tar of files is told how one is made, and an empty name is none', async () => {
  writeFileSync(`${base}/text`, 'no tar '.repeat(100))
  writeFileSync(`${base}/packed`, Buffer.from('fd377a585a0000'.padEnd(2048, '0'), 'hex'))
  for (const file of ['text', 'packed']) {
    const { code, stderr } = await kata('import', `${base}/${file}`, 'app:1')
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('[ROOTFS_TAR_INVALID]') })
    expect(stderr).toContain('`docker export`')
  }
  expect((await kata('import', '', 'app:1')).stderr).toContain('[OPTION_INVALID] import does not take ""')
})

test('no image is made in which a file is the deletion of another', async () => {
  await ok('run', '--name', 'c', '--rootfs', `${base}/root`, '--', 'true')
  writeFileSync(`${directory()}/upper/.wh.kept`, 'mine')
  const refused = await kata('commit', 'c', 'made:1')
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('[FILES_NOT_FOR_IMAGE]')])
  expect(refused.stderr).toContain('/.wh.kept')
  expect(await ok('images', '--quiet')).toBe('')
})

test('disks: made before the shim is asked, known to the record, kept while the container is there', async () => {
  await ok('run', '--name', 'c', '--storage-opt', 'size=16M', '--', 'true')
  const { disks } = JSON.parse(readFileSync(`${directory()}/record.json`, 'utf8'))
  expect(disks).toEqual({
    bytes: 16 * 2 ** 20,
    image: expect.stringMatching(/\/images\/disks\/[0-9a-f]{64}\.erofs$/),
  })
  const { size, blocks } = statSync(`${directory()}/written.img`)
  expect([size, blocks * 512 < size]).toEqual([16 * 2 ** 20, true])
  expect(JSON.parse(await ok('ps', '--size', '--format', 'json'))).toMatchObject([
    { sizeBytes: blocks * 512 },
  ])
  await ok('prune', '--force')
  expect(existsSync(disks.image)).toBe(true)
  for (const args of [['diff'], ['export'], ['commit']])
    expect(await kata(...args, 'c', ...(args[0] === 'commit' ? ['x'] : []))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[FILES_ELSEWHERE]'),
    })
  await ok('rm', 'c')
  // Nobody is there to say yes.
  expect(await kata('prune')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/this removes:.*\[PRUNE_UNCONFIRMED\] nothing was removed.*--force/s),
  })
  expect(existsSync(disks.image)).toBe(true)
  await ok('prune', '--force')
  expect(existsSync(disks.image)).toBe(false)
})

test('a wrong size is refused by name, before anything is made', async () => {
  for (const option of ['size=1M', 'dm.basesize=10G'])
    expect(await kata('run', '--name', 'c', '--storage-opt', option, '--', 'true')).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(/--storage-opt.*size=SIZE, from 16M to 16T/),
    })
  expect(existsSync(directory())).toBe(false)
})
