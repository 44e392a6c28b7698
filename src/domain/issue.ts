/** One thing that is wrong in a request: where (a JSON Pointer, a query name, a header name) and what. */
export type Issue = { path: string; message: string }
