// SPDX-License-Identifier: Apache-2.0
// expr_numbers.mjs - computes expr_numbers.tsv: the bits of a double, and how 15 digits of it are written.
//
// usage: node tests/unit/data/expr_numbers.mjs >tests/unit/data/expr_numbers.tsv
// The digits are JavaScript's exact toPrecision(15); where the point and the exponent go is .NET's G15, built
// here from its documentation. Left out: exact ties, which the two round differently.
const bits = new DataView(new ArrayBuffer(8));
let state = 88172645463325252n; // xorshift64, so that the table can be made again
function random64() {
	state ^= (state << 13n) & 0xffffffffffffffffn;
	state ^= state >> 7n;
	state ^= (state << 17n) & 0xffffffffffffffffn;
	return state;
}

function written(x) {
	if (Number.isNaN(x)) return 'NaN';
	if (!Number.isFinite(x)) return x < 0 ? '-Infinity' : 'Infinity';
	if (x === 0) return '0';
	const [mantissa, exponentText] = Math.abs(x).toExponential(14).split('e');
	const exponent = Number(exponentText);
	const digits = mantissa.replace('.', '').replace(/0+$/, '');
	const sign = x < 0 ? '-' : '';
	if (exponent >= 15 || exponent < -4) {
		const e = Math.abs(exponent).toString().padStart(2, '0');
		const rest = digits.slice(1);
		return `${sign}${digits[0]}${rest ? '.' + rest : ''}E${exponent < 0 ? '-' : '+'}${e}`;
	}
	if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
	const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
	const rest = digits.slice(exponent + 1);
	return sign + whole + (rest ? '.' + rest : '');
}

function isTie(x) {
	if (!Number.isFinite(x) || x === 0) return false;
	const tail = Math.abs(x).toExponential(100).split('e')[0].replace('.', '').slice(15);
	return /^50*$/.test(tail);
}

const seen = new Set();
function row(x) {
	bits.setFloat64(0, x);
	const hex = bits.getBigUint64(0).toString(16).padStart(16, '0');
	if (isTie(x) || seen.has(hex)) return;
	seen.add(hex);
	console.log(`${hex}\t${written(x)}`);
}

[0, -0, 1, -1, 0.1, 0.5, 1 / 3, 2 / 3, 1e15, 1e14, 999999999999999, 999999999999999.9, 1e-4, 1e-5, 0.00012345, 9.99999999999999e-5,
	9.999999999999995e-5, 123456789012345678, 1587106783762380000, 0.84551240822557006, 123456.123456, 5e-324, 2.2250738585072014e-308,
	Number.MAX_VALUE, Number.MIN_VALUE, Number.MAX_SAFE_INTEGER, Number.EPSILON, Math.PI, Math.E, NaN, Infinity, -Infinity].forEach(row);
for (let e = -330; e <= 308; e += 3) for (const d of [1, 1.5, 9.99999999999999, 9.999999999999999, 1.23456789012345]) row(Number(`${d}e${e}`));
for (let i = 0; i < 200; i++) row(Number(random64() % 1000000n) / 100);
for (let i = 0; i < 200; i++) row(-Number(random64() % 100000000000000000n) / 1e9);
for (let i = 0; i < 400; i++) row(Number(random64() % 100000000000000000000n) / 10 ** Number(random64() % 25n));
for (let i = 0; i < 1200; i++) {
	bits.setBigUint64(0, random64());
	row(bits.getFloat64(0));
}
