/** What is printed in place of a secret. */
const MASK = '[secret]'

/**
 * A text that must not be seen. Every common way of printing a value (template strings, `JSON.stringify`,
 * `util.inspect` and with it `console` and uncaught errors) shows a mask; only `reveal()` gives the text.
 */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** The text itself, for the code that sends it. */
  reveal(): string {
    return this.#text
  }

  toString(): string {
    return MASK
  }

  toJSON(): string {
    return MASK
  }

  /** What `node:util` prints; named by the registered symbol so that this room imports nothing. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return MASK
  }
}
