import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { parseImageName } from '../names/image-name.ts'
import { copyCredentials } from './credentials.ts'
import { repositoryPlaces } from './registry-places.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/credentials-`)
})
afterEach(() => rmSync(base, { recursive: true }))

let copies = 0
/** The keys of what a pull of the image is given. */
function given(
  image: string,
  keys: readonly string[],
  places = repositoryPlaces(parseImageName(image), []),
): string[] {
  const file = `${base}/auth.json`
  writeFileSync(
    file,
    JSON.stringify({ auths: Object.fromEntries(keys.map((key) => [key, { auth: 'YTpi' }])) }),
  )
  const target = `${base}/copy-${++copies}`
  if (!copyCredentials(file, target, places)) return []
  expect(statSync(target).mode & 0o777).toBe(0o400)
  return Object.keys(JSON.parse(readFileSync(target, 'utf8')).auths)
}

const hub = ['docker.io', 'https://index.docker.io/v1/', 'index.docker.io/v1/', 'registry-1.docker.io']
const all = [
  ...[
    ...hub,
    'docker.io/team',
    'docker.io/library/busybox',
    'quay.io',
    'https://quay.io',
    'quay.io/team',
    'quay.io/team/app',
  ],
  ...[
    'quay.io/tea',
    'quay.io/team/app/deep',
    'quay.io/other',
    'quay.io:443',
    'host:5000',
    'http://host:5000/v2/',
    'xquay.io',
    'io',
  ],
]

test.each([
  ['busybox', [...hub, 'docker.io/library/busybox']],
  ['team/app', [...hub, 'docker.io/team']],
  ['quay.io/team/app', ['quay.io', 'https://quay.io', 'quay.io/team', 'quay.io/team/app']],
  ['quay.io/else', ['quay.io', 'https://quay.io']],
  ['host:5000/team/app', ['host:5000', 'http://host:5000/v2/']],
  ['ghcr.io/a/b', []],
])('for %s the logins are %j', (image, keys) => {
  expect(given(image, all).sort()).toEqual([...keys].sort())
})

test('an empty login is none', () => {
  writeFileSync(`${base}/auth.json`, '{"auths":{"quay.io":{"auth":""},"host":{"identitytoken":"x"}}}')
  expect(copyCredentials(`${base}/auth.json`, `${base}/copy`, ['quay.io/a', 'host/a'])).toBe(false)
})

test('mirrors and other locations of the registry count, those of others do not', () => {
  mkdirSync(`${base}/registries.conf.d`)
  writeFileSync(
    `${base}/registries.conf`,
    `unqualified-search-registries = ["docker.io"]
[[registry]]
location = "docker.io/"
[[registry.mirror]]
location = "mirror.example:5000/hub"
[[registry]]
prefix = "quay.io/team"
location = "moved.example/new"
[[registry]]
location = "ghcr.io"
mirror = [{ location = "gh.example" }]
`,
  )
  writeFileSync(
    `${base}/registries.conf.d/1.conf`,
    '[[registry]]\nprefix = "*.corp.example"\nmirror = [{ location = "all.example/corp" }]\n',
  )
  writeFileSync(`${base}/registries.conf.d/2.conf`, 'no toml')
  const places = (image: string) => repositoryPlaces(parseImageName(image), [base, `${base}/none`])
  expect(places('busybox')).toEqual(['docker.io/library/busybox', 'mirror.example:5000/hub/library/busybox'])
  expect(places('quay.io/team/app')).toEqual(['quay.io/team/app', 'moved.example/new/app'])
  expect(places('quay.io/teams/app')).toEqual(['quay.io/teams/app'])
  expect(places('a.corp.example/x')).toEqual(['a.corp.example/x', 'all.example/corp/x'])
  expect(places('a.corp.example:5000/x')).toEqual(['a.corp.example:5000/x', 'all.example/corp:5000/x'])
  const keys = [
    'mirror.example:5000',
    'mirror.example:5000/hub',
    'moved.example',
    'gh.example',
    'mirror.example',
  ]
  expect(given('busybox', keys, places('busybox'))).toEqual([
    'mirror.example:5000',
    'mirror.example:5000/hub',
  ])
})

test('a registry may be about one tag or digest of a repository', () => {
  const digest = `sha256:${'a'.repeat(64)}`
  writeFileSync(
    `${base}/registries.conf`,
    `[[registry]]
prefix = "quay.io/team/app:v1"
location = "moved.example:5000/new/app:v2"
mirror = [{ location = "mirror.example/app" }]
[[registry]]
prefix = "quay.io/team/app@${digest}"
location = "fixed.example/app@${digest}"
[[registry]]
prefix = "quay.io"
location = "all.example"
[[registry]]
prefix = "quay.io/team/app:v"
location = "none.example/app"
`,
  )
  const places = (image: string) => repositoryPlaces(parseImageName(image), [base])
  const [own, ofAll] = ['quay.io/team/app', 'all.example/team/app']
  expect(places(`${own}:v1`)).toEqual([own, 'moved.example:5000/new/app', 'mirror.example/app', ofAll])
  expect(places(`${own}:v1.1`)).toEqual([own, ofAll])
  expect(places(own)).toEqual([own, ofAll])
  expect(places(`${own}@${digest}`)).toEqual([own, 'fixed.example/app', ofAll])
  expect(places('quay.io:5000/team/app:v1')).toEqual(['quay.io:5000/team/app'])
  const keys = ['moved.example:5000/new/app', 'mirror.example', 'fixed.example']
  expect(given(own, keys, places(`${own}:v1`))).toEqual(keys.slice(0, 2))
})
