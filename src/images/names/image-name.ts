/** Names of images, as Docker reads them: `busybox` is `docker.io/library/busybox:latest`. */
import { KataError } from '../../errors.ts'

export interface ImageName {
  /** Host, and port where one is given: `docker.io`. */
  readonly registry: string
  /** `library/busybox`. */
  readonly repository: string
  /** Undefined where a digest names the image. */
  readonly tag: string | undefined
  /** `sha256:...` */
  readonly digest: string | undefined
  /** All of it: `docker.io/library/busybox:latest`. Two names of the same image are equal in this form. */
  readonly full: string
}

const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const repositoryPattern = new RegExp(`^${component}(?:/${component})*$`)
const registryPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?$/
const tagPattern = /^\w[\w.-]{0,127}$/
const digestPattern = /^sha256:[0-9a-f]{64}$/
const mostBytes = 512

/** @throws KataError IMAGE_NAME_INVALID. */
export function parseImageName(text: string): ImageName {
  const refuse = (reason: string): never => {
    throw new KataError('IMAGE_NAME_INVALID', { name: text, reason })
  }
  if (text.length > mostBytes) refuse(`it has more than ${mostBytes} characters`)
  const [, named = '', digest] = /^(.*?)(?:@(.*))?$/s.exec(text.replace(/^docker:\/\//, '')) ?? []
  if (digest !== undefined && !digestPattern.test(digest)) refuse(`${digest} is not a SHA-256 digest`)
  const [, path = '', tag = 'latest'] = /^(.*?)(?::([^:/]*))?$/s.exec(named) ?? []
  if (!tagPattern.test(tag)) refuse(`"${tag}" is not a tag`)
  const { registry, repository } = splitRegistry(path)
  if (!registryPattern.test(registry)) refuse(`"${registry}" is not the name of a registry`)
  if (path === '') refuse('it is empty')
  if (path !== path.toLowerCase() && !path.includes('/')) refuse('names of images are in lower case')
  if (!repositoryPattern.test(repository)) refuse(`"${repository}" is not a repository`)
  const end = digest === undefined ? `:${tag}` : `@${digest}`
  return {
    registry,
    repository,
    digest,
    full: `${registry}/${repository}${end}`,
    tag: digest === undefined ? tag : undefined,
  }
}

/** The full name, or the text itself where it is no name. */
export function fullNameOf(text: string): string {
  try {
    return parseImageName(text).full
  } catch {
    return text
  }
}

/** As Docker shows it: without the parts that it adds by itself. */
export function shortName({ registry, repository }: Pick<ImageName, 'registry' | 'repository'>): string {
  if (registry !== dockerHub) return `${registry}/${repository}`
  return repository.replace(/^library\/(?=[^/]+$)/, '')
}

const dockerHub = 'docker.io'

/** The first part is a registry if it cannot be a part of a path: `quay.io/x`, `localhost/x`, `host:5000/x`. */
export function namesRegistry(path: string): boolean {
  const [first = '', ...others] = path.split('/')
  return others.length > 0 && first !== '' && (/[.:]/.test(first) || first === 'localhost')
}

function splitRegistry(path: string): Pick<ImageName, 'registry' | 'repository'> {
  if (namesRegistry(path)) {
    const slash = path.indexOf('/')
    const first = path.slice(0, slash)
    const registry = first === 'index.docker.io' ? dockerHub : first
    const rest = path.slice(slash + 1)
    return { registry, repository: registry === dockerHub && !rest.includes('/') ? `library/${rest}` : rest }
  }
  return { registry: dockerHub, repository: path.includes('/') ? path : `library/${path}` }
}
