/**
 * Count, sum and sum of squares of some numbers, each sum as a pair of doubles (106 bits): what is lost when squares of
 * large amounts cancel each other out is far below what a result can show. With integers nothing is lost at all while
 * the sum of squares times the count stays below 2^104 (say 10,000 amounts of up to 1e12), so a result depends on the
 * numbers alone, not on how they were added up. With fractions a number x that has been taken away again leaves an
 * error of up to x^2 * 1e-32 in the sum of squares. Numbers beyond 1e140 overflow.
 *
 * Error-free transformations: Knuth, TAOCP 2, 4.2.2; Dekker, "A floating-point technique for extending the available
 * precision" (1971); the names are those of Ogita, Rump, Oishi, "Accurate sum and dot product" (2005).
 */
export class Moments {
  count = 0;
  sum = 0;
  sumLow = 0;
  squares = 0;
  squaresLow = 0;

  clear(): void {
    this.count = 0;
    this.sum = this.sumLow = this.squares = this.squaresLow = 0;
  }

  add(value: number): void {
    this.count += 1;
    this.#plus(value, 0, value * value, twoProductLow(value, value, value * value));
  }

  /** Takes away moments of numbers that are among those added. */
  subtract(other: Moments): void {
    this.count -= other.count;
    this.#plus(-other.sum, -other.sumLow, -other.squares, -other.squaresLow);
  }

  /** Sample standard deviation (n - 1); 0 with fewer than two numbers. */
  get deviation(): number {
    const { count, sum, sumLow, squares, squaresLow } = this;
    if (count < 2) return 0;
    // count * squares - sum * sum, both as pairs.
    const a = count * squares;
    const aLow = twoProductLow(count, squares, a) + count * squaresLow;
    const b = sum * sum;
    const bLow = twoProductLow(sum, sum, b) + 2 * sum * sumLow;
    const difference = a - b;
    const numerator = difference + (twoSumLow(a, -b, difference) + (aLow - bLow));
    return Math.sqrt(Math.max(0, numerator) / (count * (count - 1)));
  }

  #plus(sum: number, sumLow: number, squares: number, squaresLow: number): void {
    let high = this.sum + sum;
    let low = twoSumLow(this.sum, sum, high) + (this.sumLow + sumLow);
    this.sum = high + low;
    this.sumLow = low - (this.sum - high);
    high = this.squares + squares;
    low = twoSumLow(this.squares, squares, high) + (this.squaresLow + squaresLow);
    this.squares = high + low;
    this.squaresLow = low - (this.squares - high);
  }
}

/** What `sum`, the rounded a + b, lacks. */
function twoSumLow(a: number, b: number, sum: number): number {
  const part = sum - a;
  return a - (sum - part) + (b - part);
}

const SPLIT = 2 ** 27 + 1;

/** What `product`, the rounded a * b, lacks. */
function twoProductLow(a: number, b: number, product: number): number {
  const aScaled = SPLIT * a;
  const aHigh = aScaled - (aScaled - a);
  const aLow = a - aHigh;
  const bScaled = SPLIT * b;
  const bHigh = bScaled - (bScaled - b);
  const bLow = b - bHigh;
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
}
