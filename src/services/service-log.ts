/** Told of what went wrong beside the answer. */
export type ServiceLog = { warn(details: object, message: string): void }
