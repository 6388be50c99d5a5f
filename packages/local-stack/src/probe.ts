const ATTEMPT_MS_MAX = 2_000;

/** Whether an address answers GET with 2xx. No connection and no answer in time are a plain no. */
export async function httpAnswers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ATTEMPT_MS_MAX) });
    await response.body?.cancel();
    return response.ok;
  } catch (error) {
    // `fetch` throws TypeError when there is nobody, and TimeoutError when nobody answers; a wrong URL is a fault of ours.
    if (error instanceof TypeError && (error as { code?: string }).code === 'ERR_INVALID_URL') throw error;
    return false;
  }
}
