// Compiles if the types made of openapi.yaml say what a client needs. Nothing here runs.

import type { paths } from './out/api.js';

type Body<P extends keyof paths> = paths[P] extends { post: { requestBody: { content: { 'application/json': infer B } } } } ? B : never;
type Answer<P extends keyof paths> = paths[P] extends { post: { responses: { 200: { content: { 'application/json': infer A } } } } } ? A : never;

export const question: Body<'/v1/classify'> = { preference: 'Hide crypto', posts: [{ id: '1', text: 'Bread' }] };

export function read(answer: Answer<'/v1/classify'>): string[] {
  return answer.results.filter(({ label, failedOpen }) => label === 'HIDE' && !failedOpen).map(({ id }) => id);
}

export function order(answer: Answer<'/v1/rank'>): string[] {
  return answer.results.map(({ id }) => id);
}

// @ts-expect-error A field that is not in the contract is a mistake.
export const wrong: Body<'/v1/classify'> = { preference: 'Hide crypto', posts: [{ id: '1', text: 'Bread' }], colour: 'red' };
