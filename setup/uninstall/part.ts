/** One thing on the host that is there because of kata-ts: it goes, or stays for a reason that a person is told. */
export type Part =
  | { readonly what: string; readonly remove: () => void | Promise<void> }
  | { readonly what: string; readonly stays: string }
  /** A person's own, which is not counted as left. */
  | { readonly what: string; readonly kept: string }
