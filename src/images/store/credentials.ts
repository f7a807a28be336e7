/** Credentials for registries, where `skopeo login`, `podman login` and `docker login` leave them. */
import { existsSync, writeFileSync } from 'node:fs'
import { describeError, KataError } from '../../errors.ts'
import { dictionary, record } from '../../json/compounds.ts'
import { readFile } from '../../json/document.ts'
import { text } from '../../json/values.ts'

interface AuthFile {
  readonly auths?: Readonly<Record<string, { readonly auth?: string; readonly identitytoken?: string }>>
}

const readAuthFile = record<AuthFile>({
  auths: dictionary(
    record<{ readonly auth?: string; readonly identitytoken?: string }>({ auth: text, identitytoken: text }),
  ),
})

/**
 * The file that containers-auth.json(5) would take, or Docker's; undefined without one. `named` is the caller's own choice, which has
 * to be there; empty: none.
 */
export function findAuthFile(
  env: Readonly<Record<string, string | undefined>>,
  named: string | undefined,
): string | undefined {
  const { REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, HOME } = env
  const chosen = named ?? REGISTRY_AUTH_FILE
  if (chosen !== undefined) return chosen === '' ? undefined : chosen
  const usual = [
    ...(XDG_RUNTIME_DIR === undefined ? [] : [`${XDG_RUNTIME_DIR}/containers/auth.json`]),
    '/run/containers/0/auth.json',
    ...(HOME === undefined ? [] : [`${HOME}/.config/containers/auth.json`, `${HOME}/.docker/config.json`]),
  ]
  return usual.find((path) => existsSync(path))
}

/**
 * Copies what logs in by itself to one of `places` (`HOST/REPOSITORY`) to `target`: what reads a registry's answers has no other's password.
 * Credential helpers are programs that need the rights of the person, and are left out.
 *
 * @returns whether there is anything. @throws KataError AUTH_FILE_INVALID.
 */
export function copyCredentials(file: string, target: string, places: readonly string[]): boolean {
  try {
    const { auths = {} } = readFile(readAuthFile, file)
    const usable = Object.entries(auths).filter(
      ([key, { auth = '' }]) => auth !== '' && places.some((place) => isFor(key, place)),
    )
    if (usable.length === 0) return false
    writeFileSync(target, JSON.stringify({ auths: Object.fromEntries(usable) }), { flag: 'wx', mode: 0o400 })
    return true
  } catch (cause) {
    throw new KataError('AUTH_FILE_INVALID', { path: file, reason: describeError(cause) }, { cause })
  }
}

/** Names of one registry: Docker's logs in by the second, and is spoken to by the third. */
const dockerHub: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io'])

/**
 * Whether containers/image would look at the entry `key` for the repository `place`: it is named for the repository itself, for a part of its
 * path from the host on, or for the host. Docker writes a URL for that, of which the host alone counts.
 */
function isFor(key: string, place: string): boolean {
  const [, scheme, name = ''] = /^(https?:\/\/)?(.*)$/s.exec(key) ?? []
  const [host = '', ...path] = name.replace(/\/+$/, '').split('/')
  const [wanted = '', ...repository] = place.split('/')
  if (host !== wanted && !(dockerHub.has(host) && dockerHub.has(wanted))) return false
  const isHost = scheme !== undefined || path.length === 0 || /^v\d+$/.test(path.join('/'))
  return isHost || path.every((part, index) => part === repository[index])
}
