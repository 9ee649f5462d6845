// Node 18, which Debian 12 has, keeps the web's `crypto` in a module; later versions and browsers have it everywhere.

import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto;
