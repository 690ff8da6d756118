// Everything that a user does, in Firefox.

import { everyday } from './harness/everyday.mjs';

everyday('firefox');
