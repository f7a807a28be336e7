/** What QEMU's arguments have in common with its objects: names and values. */

export type Properties = Readonly<Record<string, string | number | boolean>>

/** `type,name=value,...` */
export function optionList(type: string, properties: Properties): string {
  const options = Object.entries(properties).map(
    ([name, value]) => `${name}=${value === true ? 'on' : value}`,
  )
  return [type, ...options].join(',')
}

/** The argument of a device that is there at boot, on this bus. */
export function deviceArgument(
  { driver, ...properties }: Properties & { readonly driver: string },
  bus: string,
): string[] {
  return ['-device', optionList(driver, { ...properties, bus })]
}
