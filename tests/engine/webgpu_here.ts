import { existsSync } from 'node:fs';
import { setupEngine } from '#src/engine/index.js';

const CHROMIUM = '/usr/lib/chromium';

/**
 * Sets up WebGPU on whatever adapter there is: a graphics card, or the SwiftShader that Debian's package
 * `chromium` brings.
 * @returns why there is none
 */
async function setupWebGpu(): Promise<string | undefined> {
  if (!process.env.VK_ICD_FILENAMES && existsSync(`${CHROMIUM}/libvk_swiftshader.so`)) {
    process.env.VK_ICD_FILENAMES = `${CHROMIUM}/vk_swiftshader_icd.json`;
    process.env.LAVIS_VULKAN_LOADER ??= `${CHROMIUM}/libvulkan.so.1`;
  }
  try {
    await setupEngine({ device: 'webgpu' });
    return undefined;
  } catch (error) {
    return `no WebGPU adapter: ${(error as Error).message}`;
  }
}

/** For `{ skip: noWebGpu }` of tests: false where WebGPU is set up, otherwise the reason. */
export const noWebGpu: string | false = (await setupWebGpu()) ?? false;
