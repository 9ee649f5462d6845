// A feed without what its reader does not want to see: `node feed.js http://127.0.0.1:3000`.

import { ClearView, ClearViewError, type Credentials } from './clearview.js';

// An app keeps this in the key chain of the device. Here it lasts as long as the program.
let kept: Credentials | undefined;
const keep = { load: async () => kept, save: async (credentials: Credentials) => void (kept = credentials) };

const POSTS = [
  { id: '1', text: 'Buy Bitcoin now, crypto is going to the moon' },
  { id: '2', text: 'My sourdough starter turned five today' },
];

const clearview = new ClearView(process.argv[2] ?? 'http://127.0.0.1:3000', keep);
try {
  const { results, degraded } = await clearview.classify('Hide crypto and diet ads, but keep recipes', POSTS, true);
  for (const verdict of results) {
    const post = POSTS.find(({ id }) => id === verdict.id)!;
    console.log(`${verdict.label} ${post.text}${verdict.reason ? ` (${verdict.reason})` : ''}`);
  }
  const { daily } = clearview.limits;
  console.log(`${daily?.left} of ${daily?.quota} posts left today${degraded.length ? `; degraded: ${degraded}` : ''}`);
} catch (error) {
  if (!(error instanceof ClearViewError)) throw error;
  // Show the feed as it is: a filter that is down must not take the feed with it.
  console.log(`Not filtered: ${error.code}, request ${error.correlationId}`);
}
