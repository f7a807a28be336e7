/** What the Debian package holds, and where. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { completionScript } from '../../src/cli/completion.ts'
import type { GuestImage } from '../../src/guest-image/guest-image.ts'
import { debianImageDir } from '../../src/guest-image/guest-image.ts'
import { shimName } from '../../src/version.ts'
import { documentedProgram } from '../pages/man/documented-program.ts'
import { manPages } from '../pages/man/man-pages.ts'
import { executable, root } from '../paths.ts'
import { debianChangeLog } from './changelog.ts'

/** A file of the package: its bytes, a file to copy, or the target of a symbolic link. */
export type Content =
  | { readonly bytes: Uint8Array | string; readonly mode?: number }
  | { readonly copyOf: string; readonly mode?: number }
  | { readonly linkTo: string }

/** By path, without the leading slash. */
export type Contents = Readonly<Record<string, Content>>

export interface Build {
  readonly version: string
  /** Seconds since 1970. */
  readonly epoch: number
  readonly maintainer: string
  readonly guest: GuestImage
}

const packaging = join(root, 'packaging')

export function contents(build: Build): Contents {
  return {
    'usr/bin/kata-ts': { copyOf: executable, mode: 0o755 },
    [`usr/bin/${shimName}`]: { linkTo: 'kata-ts' },
    ...guestFiles(build, debianImageDir.slice(1)),
    ...systemd(),
    ...below('etc/kata-ts', packaging, /^configuration.*\.toml$/),
    'usr/share/kata-ts/configuration.schema.json': { copyOf: join(root, 'docs/configuration.schema.json') },
    ...manuals(build, 'usr/share'),
    ...completions('usr/share'),
    ...documents(build),
  }
}

/** The image as it was built, but for the moment when that was: it would make each package another. */
export function guestFiles({ guest: { dir, manifest }, epoch }: Build, at: string): Contents {
  const files = [manifest.kernel, manifest.initrd, ...(manifest.modules ? [manifest.modules] : [])]
  const dated = { ...manifest, builtAt: new Date(epoch * 1000).toISOString() }
  return {
    ...Object.fromEntries(files.map(({ file }) => [`${at}/${file}`, { copyOf: join(dir, file) }])),
    [`${at}/manifest.json`]: { bytes: `${JSON.stringify(dated, null, 2)}\n` },
  }
}

/** Where systemd and udev look for the files of packages, by the end of the name in packaging/systemd. */
const places: readonly (readonly [RegExp, string])[] = [
  [/\.sysusers\.conf$/, 'usr/lib/sysusers.d'],
  [/\.tmpfiles\.conf$/, 'usr/lib/tmpfiles.d'],
  [/\.rules$/, 'usr/lib/udev/rules.d'],
  [/\.(service|socket)$/, 'usr/lib/systemd/system'],
]

function systemd(): Contents {
  return Object.fromEntries(
    readdirSync(join(packaging, 'systemd')).map((name) => {
      const place = places.find(([end]) => end.test(name))?.[1]
      if (place === undefined)
        throw new Error(`packaging/systemd/${name}: no place of systemd's is known for it`)
      return [
        `${place}/${name.replace(/\.(sysusers|tmpfiles)\.conf$/, '.conf')}`,
        installed({ copyOf: join(packaging, 'systemd', name) }, 'usr/bin'),
      ]
    }),
  )
}

export function manuals({ version, epoch }: Build, share: string): Contents {
  const pages = manPages({ version, date: new Date(epoch * 1000) })
  return {
    ...Object.fromEntries(
      Object.entries(pages).map(([name, text]) => [
        `${share}/man/man${name.split('.').at(-1)}/${name}.gz`,
        { bytes: gzip(text) },
      ]),
    ),
    [`${share}/man/man1/${shimName}.1.gz`]: { linkTo: 'kata-ts.1.gz' },
  }
}

export function completions(share: string): Contents {
  const program = documentedProgram()
  return {
    [`${share}/bash-completion/completions/kata-ts`]: { bytes: completionScript(program, 'bash') },
    [`${share}/zsh/vendor-completions/_kata-ts`]: { bytes: completionScript(program, 'zsh') },
    [`${share}/fish/vendor_completions.d/kata-ts.fish`]: { bytes: completionScript(program, 'fish') },
  }
}

function documents(build: Build): Contents {
  const at = 'usr/share/doc/kata-ts'
  const changes = readFileSync(join(root, 'CHANGELOG.md'), 'utf8')
  return {
    [`${at}/copyright`]: { copyOf: join(packaging, 'debian/copyright') },
    [`${at}/README.Debian`]: { copyOf: join(packaging, 'debian/README.Debian') },
    [`${at}/changelog.gz`]: { bytes: gzip(debianChangeLog(build)) },
    [`${at}/CHANGELOG.md.gz`]: { bytes: gzip(changes) },
    'usr/share/lintian/overrides/kata-ts': { copyOf: join(packaging, 'debian/lintian-overrides') },
    ...Object.fromEntries(
      exampleFolders.flatMap((folder) =>
        Object.entries(below(`${at}/examples/${folder}`, join(packaging, folder))).map(([path, content]) => [
          path,
          installed(content, 'usr/bin'),
        ]),
      ),
    ),
  }
}

/** Folders of packaging/ with what others' programs are told. */
export const exampleFolders = ['containerd', 'crio', 'docker', 'kubernetes', 'cni'] as const

/** Files of packaging/ speak of an executable that was installed by hand; here it is in `directory`. */
export function installed(content: Content, directory: string): Content {
  if (!('copyOf' in content)) return content
  const { copyOf, ...rest } = content
  return { ...rest, bytes: readFileSync(copyOf, 'utf8').replaceAll('/usr/local/bin/', `/${directory}/`) }
}

/** The files of a directory and of those below it; with `names` those that match in the directory itself. */
export function below(place: string, directory: string, names?: RegExp): Contents {
  const entries = readdirSync(directory, { withFileTypes: true })
  return Object.fromEntries(
    entries.flatMap((entry): [string, Content][] => {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) return names ? [] : Object.entries(below(`${place}/${entry.name}`, path))
      return (names?.test(entry.name) ?? true) ? [[`${place}/${entry.name}`, { copyOf: path }]] : []
    }),
  )
}

/** Without a name or time in it, as `gzip -9n`. */
function gzip(text: string): Uint8Array {
  const bytes = Bun.gzipSync(Buffer.from(text), { level: 9 })
  // zlib writes the system that it runs on; the rest of the header is zero already.
  bytes[9] = 3
  return bytes
}
