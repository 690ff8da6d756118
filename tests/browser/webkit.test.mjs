// Everything that a user does, in WebKitGTK: the nearest to Safari that there is on Linux.

import { everyday } from './harness/everyday.mjs';

everyday('webkit');
