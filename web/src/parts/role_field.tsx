import { given_roles, role_name, type Role } from '../lib/roles';
import { roles } from '../lib/words';
import { Field } from './basics';

// What a member, or a key, may do.
export function RoleField({ role, set_role, hint }: { role: Role; set_role: (role: Role) => void; hint?: string }) {
  return (
    <Field label="Role" hint={hint}>
      {(props) => (
        <select {...props} value={role} onChange={(event) => set_role(event.target.value as Role)}>
          {given_roles.map((one) => (
            <option key={one} value={one}>
              {role_name(one)}: {roles[one]}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
