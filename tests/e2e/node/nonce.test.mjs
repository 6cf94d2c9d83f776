// @wordpress/api-fetch as the screens of WordPress use it: signed in with a cookie, each request with a nonce.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import apiFetch from '@wordpress/api-fetch';

const { SITE, LOGIN, PASSWORD } = process.env;

const signIn = await fetch( `${ SITE }/wp-login.php`, {
	method: 'POST',
	body: new URLSearchParams( { log: LOGIN, pwd: PASSWORD } ),
	redirect: 'manual',
} );
const cookie = signIn.headers
	.getSetCookie()
	.map( ( each ) => each.split( ';' )[ 0 ] )
	.join( '; ' );

// What a browser does by itself.
const { fetch: plain } = globalThis;
const sent = [];
globalThis.fetch = ( address, options = {} ) => {
	sent.push( String( address ) );
	return plain( address, { ...options, headers: { ...options.headers, Cookie: cookie } } );
};

apiFetch.nonceMiddleware = apiFetch.createNonceMiddleware( '' );
apiFetch.nonceEndpoint = `${ SITE }/wp-admin/admin-ajax.php?action=rest-nonce`;
apiFetch.use( apiFetch.nonceMiddleware );
apiFetch.use( apiFetch.createRootURLMiddleware( `${ SITE }/wp-json/` ) );

// None yet, and one that is not valid any more, as a page has that was open for a day.
for ( const nonce of [ '', '0123456789' ] ) {
	test( `the nonce "${ nonce }" is renewed, and the request repeated`, async () => {
		apiFetch.nonceMiddleware.nonce = nonce;
		sent.length = 0;
		const me = await apiFetch( { path: '/wp/v2/users/me?context=edit' } );
		assert.equal( me.username, LOGIN );
		const renewals = sent.map( ( address ) => address.includes( 'rest-nonce' ) );
		assert.deepEqual( renewals, [ false, true, false ] );
		assert.match( apiFetch.nonceMiddleware.nonce, /^[0-9a-f]{10}$/ );
		assert.notEqual( apiFetch.nonceMiddleware.nonce, nonce );
	} );
}

test( 'the new one serves from then on, for writing too', async () => {
	sent.length = 0;
	const { data } = await apiFetch( {
		path: '/fluent-cart/v2/customers',
		method: 'POST',
		data: { email: 'nonce@example.com' },
	} );
	assert.equal( data.customer.email, 'nonce@example.com' );
	assert.equal( sent.length, 1 );
} );

test( 'a cookie without a nonce is nobody', async () => {
	const answer = await fetch( `${ SITE }/wp-json/wp/v2/users/me` );
	assert.equal( answer.status, 401 );
} );
