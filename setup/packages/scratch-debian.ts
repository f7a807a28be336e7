/**
 * For tests: a Debian of its own in a directory, with real apt, real dpkg and a real archive of tiny packages. Nothing of
 * the machine's own packages is read or changed: apt finds its root by APT_CONFIG, dpkg by what stands there and by DPKG_ADMINDIR.
 */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runTool, type ToolContext } from '../../src/guest-image/child.ts'
import { installedPackages } from './system-packages.ts'

export interface ScratchPackage {
  readonly name: string
  /** Default: 1.0. */
  readonly version?: string
  /** Further lines of its control file: `Depends: ...`. */
  readonly relations?: readonly string[]
  /** Path below the root and contents; files below etc are conffiles. */
  readonly files?: Readonly<Record<string, string>>
}

export class ScratchDebian {
  readonly root: string
  readonly #archive: string
  readonly tools: ToolContext

  constructor(directory: string) {
    this.root = join(directory, 'root')
    this.#archive = join(directory, 'archive')
    const admin = join(this.root, 'var/lib/dpkg')
    for (const path of ['info', 'updates', 'triggers']) mkdirSync(join(admin, path), { recursive: true })
    for (const path of [
      'etc/apt/apt.conf.d',
      'etc/apt/preferences.d',
      'var/lib/apt/lists/partial',
      'var/log/apt',
    ])
      mkdirSync(join(this.root, path), { recursive: true })
    mkdirSync(join(this.root, 'var/cache/apt/archives/partial'), { recursive: true })
    mkdirSync(this.#archive, { recursive: true })
    writeFileSync(join(admin, 'status'), '')
    writeFileSync(join(this.root, 'etc/apt/sources.list'), `deb [trusted=yes] file:${this.#archive} ./\n`)
    const config = join(directory, 'apt.conf')
    writeFileSync(
      config,
      [
        `Dir "${this.root}";`,
        `Dir::State::status "${admin}/status";`,
        'Dir::Bin::methods "/usr/lib/apt/methods";',
        'Dir::Bin::dpkg "/usr/bin/dpkg";',
        `DPkg::Options { "--root=${this.root}"; "--log=${directory}/dpkg.log"; };`,
        'Acquire::Languages "none";',
        '',
      ].join('\n'),
    )
    this.tools = { env: { PATH: process.env.PATH, APT_CONFIG: config, DPKG_ADMINDIR: admin } }
  }

  /** Makes the archive hold these packages and no others. apt learns of it by its next update. */
  offer(packages: readonly ScratchPackage[]): void {
    rmSync(this.#archive, { recursive: true })
    mkdirSync(this.#archive)
    const index = packages.map((one) => this.#build(one)).join('\n')
    writeFileSync(join(this.#archive, 'Packages'), index)
  }

  async apt(...args: string[]): Promise<void> {
    await this.#run('apt-get', '-q', '-y', ...args)
  }

  async mark(...args: string[]): Promise<void> {
    await this.#run('apt-mark', ...args)
  }

  async installed(...names: string[]): Promise<string[]> {
    return [...(await installedPackages(names, this.tools))].sort()
  }

  async #run(tool: string, ...args: string[]): Promise<void> {
    const { code, stdout, stderr } = await runTool([tool, ...args], { ...this.tools, timeout: 60_000 })
    if (code !== 0) throw new Error(`${tool} ${args.join(' ')}: ${stdout}${stderr}`)
  }

  #build({ name, version = '1.0', relations = [], files = {} }: ScratchPackage): string {
    const tree = join(this.#archive, `${name}.tree`)
    const put = (path: string, text: string) => {
      mkdirSync(dirname(join(tree, path)), { recursive: true })
      writeFileSync(join(tree, path), text)
    }
    const control = [
      `Package: ${name}`,
      `Version: ${version}`,
      'Architecture: all',
      'Maintainer: nobody <nobody@example.org>',
      'Installed-Size: 1000',
      ...relations,
      'Description: test',
    ].join('\n')
    put('DEBIAN/control', `${control}\n`)
    put(`usr/share/${name}/here`, '')
    for (const [path, text] of Object.entries(files)) put(path, text)
    const conffiles = Object.keys(files).filter((path) => path.startsWith('etc/'))
    if (conffiles.length > 0) put('DEBIAN/conffiles', conffiles.map((path) => `/${path}\n`).join(''))
    const file = join(this.#archive, `${name}.deb`)
    Bun.spawnSync(['dpkg-deb', '-Znone', '--root-owner-group', '--build', tree, file], { stdout: 'ignore' })
    rmSync(tree, { recursive: true })
    // Debian's own archive has the first of them alone, those of aptly and Ubuntu have both.
    const sums = (['sha256', 'sha512'] as const).map((kind) => {
      const sum = new Bun.CryptoHasher(kind).update(readFileSync(file)).digest('hex')
      return `${kind.toUpperCase()}: ${sum}\n`
    })
    return `${control}\nFilename: ./${name}.deb\nSize: ${statSync(file).size}\n${sums.join('')}`
  }
}
