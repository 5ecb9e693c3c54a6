// What the signed-in person may do for the account that the page acts for. Parts ask before they show an action.
import { createContext, useContext } from 'react';

import type { Right } from '../lib/roles';

const MayContext = createContext<(right: Right) => boolean>(() => false);
export const MayProvider = MayContext.Provider;
export const useMay = () => useContext(MayContext);
