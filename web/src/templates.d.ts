// Made by the build of examples/jobs: tools/job_templates.ts.
declare module 'virtual:job_templates' {
  const templates: import('./lib/templates').Template[];
  export default templates;
}
