// Where the labels of boxes stand: none on another one.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { freePlace } from '../../www/draw.js';

const [WIDTH, HEIGHT, LINE] = [640, 360, 2];
const box = (left, top, w, h) => ({ left, top, right: left + w, bottom: top + h });

/** Places the labels of these boxes, 60 by 18 pixels each, in this order. */
function placeAll(boxes, w = 60, h = 18) {
  const taken = [];
  return boxes.map((one) => {
    const place = freePlace(one, w, h, LINE, WIDTH, HEIGHT, taken);
    if (place) taken.push(place);
    return place;
  });
}

const overlap = (a, b) => a.left < b.left + b.w && b.left < a.left + a.w && a.top < b.top + b.h && b.top < a.top + a.h;

test('a label alone stands above its box, or inside where there is no room', () => {
  assert.deepEqual(placeAll([box(100, 100, 80, 80)]), [{ left: 100, top: 82, w: 60, h: 18 }]);
  assert.deepEqual(placeAll([box(100, 10, 80, 80)]), [{ left: 100, top: 12, w: 60, h: 18 }]);
  // At the right edge it is moved into the picture.
  assert.deepEqual(placeAll([box(620, 100, 20, 80)]), [{ left: 580, top: 82, w: 60, h: 18 }]);
});

test('two classes on one object have both their labels', () => {
  const [car, bus] = placeAll([box(100, 100, 200, 120), box(102, 101, 198, 119)]);
  assert.ok(car && bus && !overlap(car, bus));
  // The second is still at its own box.
  assert.ok(bus.left >= 100 && bus.left + bus.w <= 302 && bus.top >= 80 && bus.top <= 220);
});

test('in a crowd no label covers another one, and none leaves the picture', () => {
  const crowd = Array.from({ length: 40 }, (_, n) => box((n * 37) % 560, 100 + ((n * 13) % 60), 60, 150));
  const places = placeAll(crowd).filter(Boolean);
  assert.ok(places.length >= 15, `only ${places.length} of 40 have a label`);
  places.forEach((one, n) => {
    assert.ok(one.left >= 0 && one.top >= 0 && one.left + one.w <= WIDTH && one.top + one.h <= HEIGHT);
    for (const other of places.slice(n + 1)) assert.ok(!overlap(one, other), JSON.stringify([one, other]));
  });
  // The most certain one, which comes first, has the best place.
  assert.deepEqual(places[0], { left: 0, top: 82, w: 60, h: 18 });
});

test('where each place is taken there is no label rather than one over another', () => {
  const same = Array.from({ length: 12 }, () => box(100, 100, 60, 40));
  const places = placeAll(same);
  assert.ok(places[0] && places.includes(null));
});
