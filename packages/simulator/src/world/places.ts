/** Where the world's people live, and what they pay with. */
export interface City {
  readonly name: string;
  readonly country: string;
  readonly currency: string;
  /** Units of the currency for one euro, roughly. */
  readonly perEuro: number;
  readonly latitude: number;
  readonly longitude: number;
  /** Standard time all year round: a world without clock changes is simpler to reason about. */
  readonly utcOffsetHours: number;
}

/** Spread over the time zones, so that somewhere it is always day. The first ones come first when a world is small. */
export const CITIES: readonly City[] = [
  city('Berlin', 'DE', 'EUR', 1, 52.52, 13.405, 1),
  city('New York', 'US', 'USD', 1.1, 40.713, -74.006, -5),
  city('Tokyo', 'JP', 'JPY', 160, 35.68, 139.69, 9),
  city('Lisbon', 'PT', 'EUR', 1, 38.722, -9.139, 0),
  city('London', 'GB', 'GBP', 0.85, 51.507, -0.128, 0),
  city('Singapore', 'SG', 'SGD', 1.45, 1.352, 103.82, 8),
  city('Madrid', 'ES', 'EUR', 1, 40.417, -3.704, 1),
  city('Sao Paulo', 'BR', 'BRL', 6, -23.55, -46.633, -3),
  city('Paris', 'FR', 'EUR', 1, 48.857, 2.352, 1),
  city('Warsaw', 'PL', 'PLN', 4.3, 52.23, 21.011, 1),
  city('Los Angeles', 'US', 'USD', 1.1, 34.052, -118.244, -8),
  city('Athens', 'GR', 'EUR', 1, 37.984, 23.728, 2),
  city('Zurich', 'CH', 'CHF', 0.95, 47.377, 8.541, 1),
  city('Dubai', 'AE', 'AED', 4, 25.205, 55.271, 4),
  city('Sydney', 'AU', 'AUD', 1.65, -33.869, 151.209, 10),
  city('Helsinki', 'FI', 'EUR', 1, 60.17, 24.938, 2),
];

/** Degrees of latitude around a centre within which a city's shops and homes are: about 6 km. */
export const CITY_RADIUS_DEGREES = 0.054;

const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

export interface LocalTime {
  /** Days since 1970-01-01, local. */
  readonly day: number;
  readonly hour: number;
  /** 0 is Monday. */
  readonly weekday: number;
  readonly dayOfMonth: number;
}

export function localTime(timeMs: number, { utcOffsetHours }: City): LocalTime {
  const local = timeMs + utcOffsetHours * HOUR_MS;
  const day = Math.floor(local / DAY_MS);
  return {
    day,
    hour: Math.floor((local - day * DAY_MS) / HOUR_MS),
    // 1970-01-01 was a Thursday.
    weekday: (day + 3) % 7,
    dayOfMonth: new Date(local).getUTCDate(),
  };
}

function city(
  name: string,
  country: string,
  currency: string,
  perEuro: number,
  latitude: number,
  longitude: number,
  utcOffsetHours: number,
): City {
  return { name, country, currency, perEuro, latitude, longitude, utcOffsetHours };
}
