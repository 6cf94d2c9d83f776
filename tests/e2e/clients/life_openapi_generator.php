<?php
// A customer's life, by a client that openapi-generator made of the OpenAPI document.
require_once 'GuzzleHttp/autoload.php';
spl_autoload_register(function (string $class): void {
    $file = __DIR__ . '/shop/lib/' . str_replace('\\', '/', substr($class, strlen('Shop\\'))) . '.php';
    if (str_starts_with($class, 'Shop\\') && is_file($file)) {
        require $file;
    }
});

use GuzzleHttp\Client;
use Shop\ApiException;
use Shop\Api\{AddressesApi, BulkActionsApi, CustomersApi, OrdersApi, StatsApi, UserAttachmentApi};
use Shop\Model\{AddressCreate, AddressRef, AddressUpdate, BulkAction, BulkActionName, CustomerCreate, CustomerUpdate};
use Shop\Model\{Country, FileFormat, UserRef};

[, $address, $login, $secret] = $argv;
$config = (new Shop\Configuration())
    ->setHost("$address/wp-json/fluent-cart/v2")->setUsername($login)->setPassword($secret);
$customers = new CustomersApi(new Client(), $config);
$addresses = new AddressesApi(new Client(), $config);
$users = new UserAttachmentApi(new Client(), $config);
$bulkActions = new BulkActionsApi(new Client(), $config);
$bulk = fn (string $action, array $data) => $bulkActions->doBulkAction(
    new BulkAction(['action' => $action, 'customer_ids' => [$GLOBALS['id']], 'data' => $data])
)->getData();

$id = $customers->createCustomer(new CustomerCreate(['email' => 'typed@example.com', 'first_name' => 'Ty']))
    ->getData()->getCustomer()->getId();
$customers->updateCustomer($id, '*', null, new CustomerUpdate(['last_name' => 'Ped']));
$customers->updateAdditionalInfo($id, null, null, ['vip' => true]);
$new = new AddressCreate(['address_1' => '1 Main St', 'city' => 'Berlin', 'country' => Country::DE]);
$first = $addresses->createAddress($id, $new)->getData()->getAddress()->getId();
$second = $addresses->createAddress($id, $new)->getData()->getAddress()->getId();
$addresses->updateAddress($id, new AddressUpdate(['address_id' => $second, 'city' => 'Bern']));
$addresses->makeAddressPrimary($id, new AddressRef(['address_id' => $second]));
$addresses->deleteAddress($id, $first);
[$left] = $addresses->listAddresses($id)->getData()->getAddresses();
$userId = $users->listAttachableUsers()->getData()->getUsers()[0]->getId();
$users->attachUser($id, new UserRef(['user_id' => $userId]));
$attached = $customers->getCustomer($id)->getData()->getCustomer();
$users->detachUser($id);
(new StatsApi(new Client(), $config))->getCustomerStats($id)->getData()->getStats()->getTotalSpent();
(new OrdersApi(new Client(), $config))->listCustomerOrders($id)->getData()->getOrders();
$found = $customers->listCustomers(1, 10, 'typed')->getData()->getCustomers();
$file = $customers->exportCustomers('typed', null, null, null, FileFormat::CSV);
$bulk(BulkActionName::UPDATE_STATUS, ['status' => 'inactive']);
$bulk(BulkActionName::DELETE, []);
try {
    $customers->getCustomer($id);
} catch (ApiException $error) {
    $gone = json_decode($error->getResponseBody())->error->code;
}

echo json_encode([
    'email' => $attached->getEmail(),
    'city' => $left->getCity(),
    'user_id' => $attached->getUserId(),
    'found' => array_map(fn ($each) => $each->getId() === $id, $found),
    'exported' => str_contains($file, 'typed@example.com') ? 'typed@example.com' : $file,
    'gone' => $gone,
]), "\n";
