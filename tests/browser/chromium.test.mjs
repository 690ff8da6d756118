// What the other browsers' tests do, in Chromium; the other files go into more detail here.

import { VIDEOS, everyday } from './harness/everyday.mjs';

everyday('chromium', VIDEOS.slice(-1));
