/** The bill of materials of a release, CycloneDX 1.6: what is in the executable and in the guest image. */
import type { SourcePackage } from '../package/sources.ts'

/** What package-lock.json says of a package: lockfileVersion 3. */
interface Locked {
  readonly version?: string
  readonly license?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly dev?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
}

export interface SbomFacts {
  readonly version: string
  readonly commit: string
  /** Seconds since 1970. */
  readonly epoch: number
  /** package-lock.json. */
  readonly lock: { readonly packages: Readonly<Record<string, Locked>> }
  readonly sources: readonly SourcePackage[]
}

/** Compiled into the executable although nothing of ours imports it: the runtime. */
const runtime = 'bun'

export function sbom({ version, commit, epoch, lock, sources }: SbomFacts): string {
  const npm = Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== '' && (dev !== true || path === `node_modules/${runtime}`))
    .map(([path, locked]) => npmComponent(path.replace(/^.*node_modules\//, ''), locked))
  const components = [...npm, ...sources.map(debianComponent)]
  const self = `pkg:generic/kata-ts@${version}`
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      timestamp: new Date(epoch * 1000).toISOString(),
      component: {
        type: 'application',
        'bom-ref': self,
        name: 'kata-ts',
        version,
        licenses: [{ license: { id: 'Apache-2.0' } }],
        properties: [{ name: 'kata-ts:commit', value: commit }],
      },
    },
    components,
    dependencies: [{ ref: self, dependsOn: components.map((component) => component['bom-ref']) }],
  }
  return `${JSON.stringify(document, null, 2)}\n`
}

function npmComponent(name: string, { version = '', license, integrity }: Locked) {
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
  const sha512 = /^sha512-(\S+)/.exec(integrity ?? '')?.[1]
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    purl,
    ...(license !== undefined && { licenses: [{ expression: license }] }),
    ...(sha512 !== undefined && {
      hashes: [{ alg: 'SHA-512', content: Buffer.from(sha512, 'base64').toString('hex') }],
    }),
  }
}

function debianComponent({ name, version, binaries }: SourcePackage) {
  const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=source`
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    purl,
    properties: [{ name: 'kata-ts:binary-packages', value: binaries.join(' ') }],
  }
}
