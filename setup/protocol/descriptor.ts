/** What is used of google/protobuf/descriptor.proto, as JSON. */

export interface FileDescriptor {
  readonly name: string
  readonly package?: string
  readonly dependency?: readonly string[]
  readonly messageType?: readonly MessageDescriptor[]
  readonly enumType?: readonly EnumDescriptor[]
  readonly service?: readonly ServiceDescriptor[]
  readonly sourceCodeInfo: { readonly location: readonly Location[] }
}

export interface MessageDescriptor {
  readonly name: string
  readonly field?: readonly FieldDescriptor[]
  readonly nestedType?: readonly MessageDescriptor[]
  readonly enumType?: readonly EnumDescriptor[]
  readonly options?: { readonly mapEntry?: boolean }
}

export interface FieldDescriptor {
  readonly name: string
  readonly number: number
  readonly label: 'LABEL_OPTIONAL' | 'LABEL_REPEATED'
  /** `TYPE_UINT32` and the like. */
  readonly type: string
  /** The name of a message or enum: `.package.Outer.Inner`. */
  readonly typeName?: string
  readonly proto3Optional?: boolean
  /** The group of fields of which each excludes the others. */
  readonly oneofIndex?: number
  readonly options?: { readonly packed?: boolean }
}

export interface EnumDescriptor {
  readonly name: string
  readonly value: readonly { readonly name: string; readonly number?: number }[]
}

export interface ServiceDescriptor {
  readonly name: string
  readonly method: readonly {
    readonly name: string
    readonly inputType: string
    readonly outputType: string
    readonly clientStreaming?: boolean
    readonly serverStreaming?: boolean
  }[]
}

/** A comment and the path of numbers that leads to what it stands before. */
interface Location {
  readonly path?: readonly number[]
  readonly leadingComments?: string
  readonly trailingComments?: string
}
