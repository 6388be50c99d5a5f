/** Degrees, WGS 84. */
export interface Place {
  readonly latitude: number;
  readonly longitude: number;
}

/** Mean radius of the Earth (IUGG). */
const EARTH_RADIUS_KM = 6371.009;
/** A place is kept to 1e-4 degrees, 11 m. */
const STEPS_PER_DEGREE = 10_000;
const LONGITUDE_STEPS = 360 * STEPS_PER_DEGREE + 1;

/** Great-circle distance by the haversine formula, in km. */
export function distanceKm(from: Place, to: Place): number {
  const phi1 = radians(from.latitude);
  const phi2 = radians(to.latitude);
  const halfPhi = (phi2 - phi1) / 2;
  const halfLambda = radians(to.longitude - from.longitude) / 2;
  const chord = Math.sin(halfPhi) ** 2 + Math.cos(phi1) * Math.cos(phi2) * Math.sin(halfLambda) ** 2;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.sqrt(Math.min(1, chord)));
}

/** A place as one integer, which halves what a window keeps of it. */
export function packPlace({ latitude, longitude }: Place): number {
  return (
    Math.round((latitude + 90) * STEPS_PER_DEGREE) * LONGITUDE_STEPS + Math.round((longitude + 180) * STEPS_PER_DEGREE)
  );
}

export function unpackPlace(packed: number): Place {
  return {
    latitude: Math.floor(packed / LONGITUDE_STEPS) / STEPS_PER_DEGREE - 90,
    longitude: (packed % LONGITUDE_STEPS) / STEPS_PER_DEGREE - 180,
  };
}

const radians = (degrees: number): number => (degrees * Math.PI) / 180;
