export { BUILT_IN_RULES } from './built-in-rules.ts';
export { findFaults } from './check-rule.ts';
export {
  type CompiledRule,
  compileRules,
  type Facts,
  RULES_MAX,
  type RuleSet,
  THRESHOLDS,
  type Thresholds,
} from './compile.ts';
export { type CustomerMemory, cardKey, observeAtCustomer } from './customer-features.ts';
export { decide, type Verdict } from './decide.ts';
export {
  DEVICE_RULES,
  type DeviceFinding,
  type DeviceHabits,
  type DeviceRule,
  isTamper,
  judgeReading,
} from './device-habits.ts';
export { type RuleFault, type RuleFaultCode, RulesError } from './errors.ts';
export { factsOf } from './facts.ts';
export {
  FEATURES,
  type Feature,
  type FeatureKind,
  type FeatureName,
  type FeatureValues,
  featureTable,
} from './features.ts';
export { FRAUD_MEMORY_MS, type KnownLabel, type KnownLabels, learnLabel } from './labels.ts';
export { type MerchantMemory, observeAtMerchant } from './merchant-features.ts';
export { learnTamper, TAMPER_MEMORY_MS, type TamperAlarms } from './tamper.ts';
export {
  CARD_WINDOW,
  type CardField,
  CUSTOMER_WINDOW,
  type CustomerField,
  MERCHANT_WINDOW,
  type MerchantField,
  PAYEE_WINDOW,
  type PayeeField,
  TERMINAL_WINDOW,
  type TerminalField,
  type WindowView,
} from './windows.ts';
