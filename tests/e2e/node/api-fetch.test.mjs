// @wordpress/api-fetch, with which every screen of WordPress talks to its server, against the demo shop.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import apiFetch from '@wordpress/api-fetch';

const { SITE, AUTHORIZATION } = process.env;
const CUSTOMERS = '/fluent-cart/v2/customers';

apiFetch.use( apiFetch.createRootURLMiddleware( `${ SITE }/wp-json/` ) );
apiFetch.use( ( options, next ) =>
	next( { ...options, headers: { ...options.headers, Authorization: AUTHORIZATION } } )
);

test( 'a list, page by page, from the headers', async () => {
	let url = null;
	const seen = [];
	let total, pages;
	for ( let page = 0; page === 0 || url; page++ ) {
		const request = url ? { url } : { path: `${ CUSTOMERS }?per_page=10&sort_by=id&sort_type=asc` };
		const response = await apiFetch( { ...request, parse: false } );
		total = Number( response.headers.get( 'X-WP-Total' ) );
		pages = Number( response.headers.get( 'X-WP-TotalPages' ) );
		const { data } = await response.json();
		seen.push( ...data.customers.map( ( { id } ) => id ) );
		const next = ( response.headers.get( 'Link' ) ?? '' ).match( /<([^>]+)>; rel="next"/ );
		url = next && next[ 1 ];
	}
	assert.ok( pages > 1 );
	assert.equal( pages, Math.ceil( total / 10 ) );
	assert.equal( seen.length, total );
	assert.deepEqual( seen, [ ...new Set( seen ) ].sort( ( a, b ) => a - b ) );
} );

test( 'all of a short list, by per_page=-1', async () => {
	const { data } = await apiFetch( { path: `${ CUSTOMERS }?per_page=-1` } );
	assert.equal( data.customers.length, data.pagination.total );
} );

test( 'create, then PUT as the POST that api-fetch makes of it', async () => {
	const made = await apiFetch( {
		path: CUSTOMERS,
		method: 'POST',
		data: { email: 'api-fetch@example.com', full_name: 'Ann van der Lee' },
	} );
	const { id, first_name: first, last_name: last } = made.data.customer;
	assert.deepEqual( [ first, last ], [ 'Ann van der', 'Lee' ] );
	const sent = [];
	const { fetch } = globalThis;
	globalThis.fetch = ( address, options ) => {
		sent.push( [ options.method, options.headers[ 'X-HTTP-Method-Override' ] ] );
		return fetch( address, options );
	};
	const changed = await apiFetch( {
		path: `${ CUSTOMERS }/${ id }`,
		method: 'PUT',
		data: { phone: '+1 555', query_timestamp: 1 },
	} );
	globalThis.fetch = fetch;
	assert.deepEqual( sent, [ [ 'POST', 'PUT' ] ] );
	assert.equal( changed.data.customer.phone, '+1 555' );
	assert.equal( changed.data.customer.first_name, 'Ann van der' );
} );

test( 'DELETE with the id where the plugin has it', async () => {
	const path = `${ CUSTOMERS }/1/address`;
	const place = { name: 'Ann Lee', address_1: '1 Main St', city: 'Rome', country: 'IT', type: 'shipping' };
	const { data } = await apiFetch( { path, method: 'POST', data: place } );
	const deleted = await apiFetch( { path, method: 'DELETE', data: { address: { id: data.address.id } } } );
	assert.equal( deleted.success, true );
} );

test( 'errors have the code, the message and the status that WordPress clients look for', async () => {
	await assert.rejects( apiFetch( { path: `${ CUSTOMERS }/999999` } ), ( error ) => {
		assert.equal( error.code, 'customer_not_found' );
		assert.match( error.message, /999999/ );
		assert.equal( error.data.status, 404 );
		return true;
	} );
	await assert.rejects( apiFetch( { path: CUSTOMERS, method: 'POST', data: { email: 'none' } } ), {
		code: 'invalid_email',
		data: { status: 422 },
	} );
	await assert.rejects( apiFetch( { path: '/fluent-cart/v2/nothing' } ), { code: 'rest_no_route' } );
} );

test( '_fields and _envelope', async () => {
	const { data } = await apiFetch( { path: `${ CUSTOMERS }?_fields=id,email&per_page=2` } );
	assert.deepEqual( data.customers.map( Object.keys ), [ [ 'id', 'email' ], [ 'id', 'email' ] ] );
	const enveloped = await apiFetch( { path: `${ CUSTOMERS }/999999?_envelope` } );
	assert.deepEqual( [ enveloped.status, enveloped.body.code ], [ 404, 'customer_not_found' ] );
} );

test( 'what one may do, as block editors ask for it', async () => {
	const response = await apiFetch( { path: `${ CUSTOMERS }/1`, method: 'OPTIONS', parse: false } );
	assert.deepEqual( response.headers.get( 'Allow' ).split( ', ' ), [ 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'PUT' ] );
	assert.equal( ( await response.json() ).namespace, 'fluent-cart/v2' );
} );

test( 'who one is', async () => {
	const me = await apiFetch( { path: '/wp/v2/users/me?context=edit' } );
	assert.equal( me.username, 'username' );
	assert.ok( me.capabilities[ 'customers/manage' ] );
} );

test( 'the two routes of the plugin beyond its documentation', async () => {
	const { data } = await apiFetch( { path: `${ CUSTOMERS }/1/order` } );
	assert.ok( data.data.length > 0 );
	const { message, customer } = await apiFetch( {
		path: `${ CUSTOMERS }/1/recalculate-ltv`,
		method: 'POST',
	} );
	assert.equal( message, 'Lifetime value recalculated successfully' );
	assert.equal( customer.id, 1 );
} );
