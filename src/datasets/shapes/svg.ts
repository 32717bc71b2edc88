import type { Scene, Thing } from './scene.js';

const PAINT = {
  red: '#d8262b',
  green: '#2a9d3c',
  blue: '#2455d6',
  yellow: '#f4d81c',
  purple: '#8e35b8',
  orange: '#f28a1a',
  white: '#fafafa',
  gray: '#9a9a9a',
  black: '#161616',
} as const;

/** Outlines around (0, 0), one unit from the centre to the edge. */
const OUTLINE: Record<Thing['shape'], string> = {
  circle: '<circle r="1"/>',
  square: '<rect x="-0.9" y="-0.9" width="1.8" height="1.8"/>',
  triangle: '<path d="M0 -1 L1 0.85 L-1 0.85 Z"/>',
  star: `<polygon points="${star()}"/>`,
  cross: '<path d="M-0.32 -1 H0.32 V-0.32 H1 V0.32 H0.32 V1 H-0.32 V0.32 H-1 V-0.32 H-0.32 Z"/>',
  heart: '<path d="M0 0.95 C-1.9 -0.35 -0.75 -1.5 0 -0.55 C0.75 -1.5 1.9 -0.35 0 0.95 Z"/>',
};

/** Five points, the outer ones at distance 1. */
function star(): string {
  return Array.from({ length: 10 }, (_, i) => {
    const radius = i % 2 ? 0.42 : 1;
    const angle = (Math.PI * i) / 5;
    return `${(radius * Math.sin(angle)).toFixed(3)},${(-radius * Math.cos(angle)).toFixed(3)}`;
  }).join(' ');
}

/** The scene as an SVG of `size` x `size` pixels. */
export function sceneSvg({ background, things }: Scene, size: number): string {
  const drawn = things.map(({ shape, colour, x, y, radius, turn }) => {
    const at = `translate(${(x * size).toFixed(2)} ${(y * size).toFixed(2)})`;
    const transform = `${at} rotate(${turn.toFixed(1)}) scale(${(radius * size).toFixed(2)})`;
    return `<g fill="${PAINT[colour]}" transform="${transform}">${OUTLINE[shape]}</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}"><rect width="${size}" height="${size}" fill="${PAINT[background]}"/>${drawn.join('')}</svg>`;
}
